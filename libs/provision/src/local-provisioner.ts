/**
 * Workers as processes of this machine. Each has two files: `<id>.json` (its pool, written before it starts) and
 * `<id>.stat` (who the process is, written by itself: process-record.ts). A driver that starts reads them and takes over
 * those that live (V3).
 */
import { spawn } from "node:child_process";
import { type Clock, failedPrecondition, type Logger, messageOf, resourceExhausted, type Timer } from "@sheaf/runtime";
import { capLog, logTail, openLog } from "./log-file.ts";
import { withoutPrivate } from "./private-variables.ts";
import { isAlive, type ProcessRecord, readRecord, recording, signal } from "./process-record.ts";
import type { Provisioner, WorkerExit, WorkerHandle, WorkerSpec } from "./provisioner.ts";
import { type KnownWorker, WorkerFiles } from "./worker-files.ts";

/** How often adopted workers and the sizes of logs are looked at. Own workers tell their end by themselves. */
const LOOK_MS = 500;
/** How often a worker that shall go is looked at. */
const GOING_LOOK_MS = 25;
const RECORD_LOOK_MS = 2;
const LOG_BYTES_MAX = 8 * 1024 * 1024;
/** A worker holds no credential of etcd or of the API, and is no child of the one that started us. */
const NOT_FOR_WORKERS = ["SHEAF_ETCD_BIN", "SHEAF_PARENT_PID"];

export interface LocalProvisionerOptions {
  /** Records in `workers/`, logs in `logs/`, what workers work on in `work/<id>/`. Made when missing. */
  readonly dataDir: string;
  /** What `nodes` says: this machine is as many as one says. Default 1. */
  readonly nodes?: number;
  /** `["/usr/bin/node", "/repo/services/worker/src/main.ts"]`; flags follow. */
  readonly workerProgram: { readonly argv: readonly string[] };
  /** Environment of the workers, less what is not for them. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What is theirs alone: their certificate. */
  readonly workerEnv?: Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly clock: Clock;
}

export function localProvisioner(options: LocalProvisionerOptions): Provisioner {
  return new LocalProvisioner(options);
}

interface Entry extends KnownWorker {
  readonly id: string;
  readonly logFrom: number;
  /** Undefined: it is a child of ours and has not recorded itself yet. */
  record: ProcessRecord | undefined;
  readonly own: boolean;
  removing: Promise<void> | undefined;
  readonly gone: PromiseWithResolvers<void>;
}

class LocalProvisioner implements Provisioner {
  readonly #options: LocalProvisionerOptions;
  readonly #files: WorkerFiles;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(exit: WorkerExit) => void>();
  readonly #creating = new Map<string, Promise<void>>();
  #adopted: Promise<void> | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: LocalProvisionerOptions) {
    this.#options = options;
    this.#files = new WorkerFiles(options.dataDir, options.log);
  }

  async list(): Promise<readonly WorkerHandle[]> {
    await this.#adopt();
    const entries = [...this.#entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return entries.map(({ id, pool, createdAt, removing }) => ({
      id,
      pool,
      createdAt,
      state: removing === undefined ? "running" : "stopping",
      shape: "",
      trouble: undefined,
    }));
  }

  async create(pool: string, spec: WorkerSpec): Promise<void> {
    if (this.#closed) throw failedPrecondition("CLOSED", "the provisioner is closed");
    if (!/^[0-9a-zA-Z-]{1,64}$/.test(spec.id))
      throw failedPrecondition("WORKER_ID_BAD", `"${spec.id}" is no id of a worker`);
    await this.#adopt();
    if (this.#entries.has(spec.id)) return; // V1
    let creating = this.#creating.get(spec.id);
    if (creating === undefined) {
      creating = this.#start(pool, spec).finally(() => this.#creating.delete(spec.id));
      this.#creating.set(spec.id, creating);
    }
    await creating;
  }

  async remove(id: string, { graceMs }: { readonly graceMs: number }): Promise<void> {
    await this.#adopt();
    await this.#creating.get(id)?.catch(() => {});
    const entry = this.#entries.get(id);
    if (entry === undefined) return; // V2
    entry.removing ??= this.#end(entry, graceMs);
    await entry.removing;
  }

  nodes(): number {
    return this.#options.nodes ?? 1;
  }

  /** Processes of this machine are all alike but for their slots, which they tell themselves. */
  shapeOf(): string {
    return "";
  }

  /** A setting does not change, and a process runs or does not. */
  onChange(): () => void {
    return () => {};
  }

  onExit(fn: (exit: WorkerExit) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#creating.values());
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  async #start(pool: string, spec: WorkerSpec): Promise<void> {
    const { clock, env, log, workerProgram } = this.#options;
    const { id } = spec;
    const createdAt = Math.round(clock.wall());
    await this.#files.write(id, { pool, createdAt });
    const { handle, size: logFrom } = await openLog(this.#files.logFile(id));
    const argv = [...workerProgram.argv, ...flags(pool, spec, this.#files.workDir(id))];
    const [command, args] = recording(this.#files.stat(id), argv);
    const clean = Object.fromEntries(
      Object.entries(withoutPrivate(env)).filter(([name]) => !NOT_FOR_WORKERS.includes(name)),
    );
    try {
      // A session of its own: Ctrl-C in the terminal is for those who stop it in order, and V5.
      const child = spawn(command, args, {
        detached: true,
        stdio: ["ignore", handle.fd, handle.fd],
        env: { ...clean, ...this.#options.workerEnv },
      });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", reject);
      });
      child.unref();
      const entry: Entry = {
        id,
        pool,
        createdAt,
        logFrom,
        record: undefined,
        own: true,
        removing: undefined,
        gone: Promise.withResolvers(),
      };
      this.#entries.set(id, entry);
      child.once("exit", (code, signalName) => void this.#ended(entry, code ?? undefined, signalName ?? undefined));
      await this.#recorded(entry);
      log.debug({ worker: id, pool, pid: child.pid }, "worker: started");
    } catch (error) {
      await this.#files.forget(id);
      throw startError(id, error);
    } finally {
      await handle.close();
    }
  }

  /** Resolves when the worker has recorded itself, so that a successor finds it, or has ended. */
  async #recorded(entry: Entry): Promise<void> {
    while (entry.record === undefined && this.#entries.has(entry.id)) {
      entry.record = await readRecord(this.#files.stat(entry.id));
      if (entry.record === undefined) await this.#options.clock.sleep(RECORD_LOOK_MS);
    }
  }

  /** SIGTERM to the worker alone, which ends its commands; SIGKILL to all of its group. */
  async #end(entry: Entry, graceMs: number): Promise<void> {
    const { clock, log } = this.#options;
    const end = clock.now() + graceMs;
    const { record } = entry;
    if (record === undefined) return; // it ended before it was recorded
    signal(record, "SIGTERM");
    for (let killed = false; this.#entries.has(entry.id); ) {
      if (!killed && clock.now() >= end) {
        killed = true;
        if (signal(record, "SIGKILL", true)) log.warn({ worker: entry.id, graceMs }, "worker: did not go, killed");
      }
      if (!entry.own && !isAlive(record)) await this.#ended(entry, undefined, undefined);
      await Promise.race([entry.gone.promise, clock.sleep(GOING_LOOK_MS)]);
    }
  }

  async #ended(entry: Entry, code: number | undefined, signalName: string | undefined): Promise<void> {
    if (!this.#entries.delete(entry.id)) return;
    const { id, pool } = entry;
    const tail = await logTail(this.#files.logFile(id), entry.logFrom);
    await this.#files.forget(id);
    entry.gone.resolve();
    this.#options.log.debug({ worker: id, pool, code, signal: signalName }, "worker: ended");
    const exit = {
      id,
      pool,
      asked: entry.removing !== undefined,
      code,
      signal: signalName,
      logTail: tail,
      why: undefined,
      taken: false,
    };
    for (const fn of [...this.#listeners]) fn(exit); // V4
  }

  /** Takes over what lives of the workers of a predecessor, and clears away what does not. Once. */
  #adopt(): Promise<void> {
    this.#adopted ??= this.#adoptAll();
    return this.#adopted;
  }

  async #adoptAll(): Promise<void> {
    for (const id of await this.#files.open()) await this.#adoptOne(id);
    this.#look();
  }

  async #adoptOne(id: string): Promise<void> {
    const known = await this.#files.read(id);
    const record = await readRecord(this.#files.stat(id));
    if (known === undefined || record === undefined || !isAlive(record)) return this.#files.forget(id);
    const { handle, size } = await openLog(this.#files.logFile(id));
    await handle.close();
    const gone = Promise.withResolvers<void>();
    this.#entries.set(id, {
      id,
      ...known,
      logFrom: size,
      record,
      own: false,
      removing: undefined,
      gone,
    });
    this.#options.log.info({ worker: id, pool: known.pool, pid: record.pid }, "worker: taken over from a predecessor");
  }

  #look(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.timer(LOOK_MS, () => void this.#lookAtAll().finally(() => this.#look()));
  }

  async #lookAtAll(): Promise<void> {
    for (const entry of [...this.#entries.values()]) {
      if (!entry.own && entry.record !== undefined && !isAlive(entry.record))
        await this.#ended(entry, undefined, undefined);
      await capLog(this.#files.logFile(entry.id), LOG_BYTES_MAX);
    }
  }
}

function flags(pool: string, { id, slots, masters, mergers, store }: WorkerSpec, dataDir: string): string[] {
  const pairs = {
    id,
    pool,
    masters: masters.join(","),
    mergers: mergers.join(","),
    store,
    data: dataDir,
    slots: String(slots),
  };
  return Object.entries(pairs).flatMap(([name, value]) => [`--${name}`, value]);
}

function startError(id: string, cause: unknown) {
  const code = cause instanceof Error && "code" in cause ? cause.code : "";
  if (code === "EAGAIN" || code === "ENOMEM" || code === "EMFILE") {
    return resourceExhausted("NO_ROOM_FOR_WORKER", `cannot start worker ${id}: the machine has no room (${code})`, {
      cause,
    });
  }
  return failedPrecondition("WORKER_NOT_STARTED", `cannot start worker ${id}: ${messageOf(cause)}`, { cause });
}
