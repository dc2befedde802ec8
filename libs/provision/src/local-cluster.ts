/**
 * A whole cluster on this machine: etcd, a master and a merge replica as child processes; workers are the master's own
 * (local-provisioner.ts).
 *
 * C1. All three start at the same time: services wait for etcd by themselves.
 * C2. One that ends is started again, on the same ports, with backoff; the others go on.
 * C3. `stop` ends everything within the grace and a second: services and workers are told together, etcd after them.
 * C4. Whatever ends this process, nothing goes on: services look at their parent (SHEAF_PARENT_PID), etcd has a death
 *     signal, and a watcher kills what is recorded in the data folder.
 * C5. One cluster per data folder, and a start clears away what an earlier one left running.
 */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { backoff, type Clock, failedPrecondition, type Logger, type Random, SheafError } from "@sheaf/runtime";
import { type Child, describeExit } from "./child.ts";
import { type DirLock, lockDir } from "./dir-lock.ts";
import { startEtcd } from "./etcd-process.ts";
import { freePorts, requireFree } from "./ports.ts";
import { compileCache, serviceArgv, storeUrl } from "./programs.ts";
import { endRecorded } from "./recorded.ts";
import { startService } from "./service-process.ts";
import { startWatcher, type Watcher } from "./watcher.ts";

const HOST = "127.0.0.1";
/** A process that held this long begins its backoff anew. */
const HELD_MS = 10_000;
/** Another program may take a port between its choice and its use. */
const START_TRIES = 3;
const ETCD_GRACE_MS = 700;

export interface LocalClusterOptions {
  /** Everything of the cluster: etcd's data, the store, logs, records. Made when missing. */
  readonly dataDir: string;
  /** Address of a store elsewhere: `s3://bucket/prefix`. What is in it stays. Default: a folder in the data folder. */
  readonly store?: string;
  /** Of the services, and of the commands that workers run. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Port of the public API. Default 0: any free one. */
  readonly port?: number;
  /** Default: SHEAF_ETCD_BIN, then `etcd` on the PATH. */
  readonly etcdBinary?: string;
  /** Thrown away at the end: the folder is removed, and etcd does not wait for the disk. */
  readonly ephemeral?: boolean;
  /** More flags for the master: `["--name", "value"]`. */
  readonly masterFlags?: readonly string[];
  /** Commands of the services. Default: those of this repository. */
  readonly programs?: { readonly master: readonly string[]; readonly merge: readonly string[] };
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** A process ended, and is started again in `waitMs`. */
  readonly onRestart?: (event: { readonly name: string; readonly why: string; readonly waitMs: number }) => void;
}

export interface ClusterInfo {
  /** Of the public API: "127.0.0.1:PORT". */
  readonly address: string;
  readonly etcd: string;
  /** Where workers and the master meet. */
  readonly masterDispatch: string;
  readonly mergeDispatch: string;
  readonly dataDir: string;
}

interface Part {
  readonly name: string;
  /** Starts it; resolves when it is ready. `begun` gets it as soon as it lives. */
  readonly start: (begun: (child: Child) => void) => Promise<void>;
}

/** A start that fails leaves nothing behind. Start once; stop as often as you like, also while it starts. */
export class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #stopping = new AbortController();
  readonly #children = new Map<string, Child>();
  #lock: DirLock | undefined;
  #watcher: Watcher | undefined;
  #stopped: Promise<void> | undefined;
  #attempt: Promise<ClusterInfo> | undefined;
  /** The attempt, and the clean-up after one that failed. */
  #starting: Promise<ClusterInfo> | undefined;

  constructor(options: LocalClusterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when all three serve. Throws FAILED_PRECONDITION (folder or port in use, etcd too old), NOT_FOUND (no etcd),
   * PERMISSION_DENIED (folder), UNAVAILABLE (one did not start; with its own words).
   */
  start(): Promise<ClusterInfo> {
    this.#attempt ??= this.#start();
    this.#starting ??= this.#attempt.catch(async (error: unknown) => {
      await this.stop({ graceMs: 500 });
      throw error;
    });
    return this.#starting;
  }

  /** C3. `graceMs` for services and workers; 0 kills at once. Default 2,000. */
  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.graceMs ?? 2_000);
    return this.#stopped;
  }

  async #start(): Promise<ClusterInfo> {
    const { dataDir, ephemeral = false, clock, log, random } = this.#options;
    this.#stopping.signal.throwIfAborted();
    this.#lock = await lockDir(dataDir, random); // C5
    const left = await endRecorded(dataDir, ["processes", "workers"], 1_000, clock);
    await endRecorded(dataDir, ["workers"], 0, clock); // one that an earlier master was starting
    if (left > 0) log.warn({ dataDir, processes: left }, "ended what an earlier cluster left running");
    if (this.#options.store === undefined) await mkdir(join(dataDir, "store"), { recursive: true });
    this.#stopping.signal.throwIfAborted();
    this.#watcher = startWatcher(dataDir, { removeDir: ephemeral }); // C4
    for (let left = START_TRIES - 1; ; left--) {
      try {
        return await this.#startParts();
      } catch (error) {
        const portTaken = error instanceof SheafError && error.reason === "PORT_IN_USE";
        if (!portTaken || left === 0 || this.#options.port || this.#stopping.signal.aborted) throw error;
        await Promise.all([...this.#children.values()].map((child) => child.stop(500)));
        this.#children.clear();
      }
    }
  }

  async #startParts(): Promise<ClusterInfo> {
    const info = await this.#choosePorts();
    this.#stopping.signal.throwIfAborted();
    const parts = this.#parts(info);
    await Promise.all(parts.map((part) => part.start((child) => this.#began(child)))); // C1
    this.#stopping.signal.throwIfAborted();
    for (const part of parts) void this.#keepAlive(part);
    await this.#writeState(info);
    return info;
  }

  async #choosePorts(): Promise<ClusterInfo> {
    const { port = 0, dataDir } = this.#options;
    if (port !== 0) await requireFree(port, "the API");
    const ports = await freePorts(4);
    const [api, etcd, masterDispatch, mergeDispatch] = [port || ports[0], ...ports.slice(1)].map((p) => `${HOST}:${p}`);
    if (!api || !etcd || !masterDispatch || !mergeDispatch) throw failedPrecondition("NO_PORTS", "no free ports");
    return { address: api, etcd, masterDispatch, mergeDispatch, dataDir };
  }

  #parts(info: ClusterInfo): Part[] {
    const { dataDir, programs, store = storeUrl(dataDir) } = this.#options;
    const common = ["--etcd", info.etcd, "--store", store, "--cluster", "local"];
    const master = [
      ...common,
      ...["--listen", info.address, "--dispatch-listen", info.masterDispatch],
      ...["--data", dataDir, "--merge-dispatch", info.mergeDispatch],
      ...(this.#options.masterFlags ?? []),
    ];
    return [
      this.#etcdPart(info),
      this.#servicePart("master", [...(programs?.master ?? serviceArgv("master")), ...master]),
      this.#servicePart("merge", [
        ...(programs?.merge ?? serviceArgv("merge")),
        ...[...common, "--dispatch-listen", info.mergeDispatch],
      ]),
    ];
  }

  #etcdPart(info: ClusterInfo): Part {
    const { etcdBinary, ephemeral = false } = this.#options;
    const port = Number(info.etcd.slice(HOST.length + 1));
    return {
      name: "etcd",
      start: async (begun) => {
        const binary = etcdBinary === undefined ? {} : { binary: etcdBinary };
        const etcd = await startEtcd({ ...this.#options, ...binary, port, noFsync: ephemeral });
        begun(etcd.child);
        await etcd.ready;
      },
    };
  }

  #servicePart(name: string, argv: readonly string[]): Part {
    const { dataDir, clock } = this.#options;
    const env = {
      ...this.#options.env,
      NODE_COMPILE_CACHE: compileCache(this.#options.env),
      SHEAF_PARENT_PID: String(process.pid), // C4
      // They are told together and ended after two seconds (C3): a longer drain would be cut off.
      SHEAF_DRAIN_TIMEOUT: "1500ms",
    };
    return {
      name,
      start: async (begun) => {
        const service = await startService({ name, dataDir, argv, env, clock });
        begun(service.child);
        await service.ready;
      },
    };
  }

  #began(child: Child): void {
    this.#children.set(child.name, child);
    // Stopped while it was on its way.
    if (this.#stopping.signal.aborted) void child.stop(0);
  }

  /** C2. */
  async #keepAlive(part: Part): Promise<void> {
    const { clock, log, random, onRestart } = this.#options;
    const waits = backoff({ baseMs: 100, capMs: 5_000, random });
    let why = "it ended";
    for (;;) {
      const began = clock.now();
      const exit = await this.#children.get(part.name)?.exited;
      if (this.#stopping.signal.aborted) return;
      if (exit !== undefined) why = `it ended with ${describeExit(exit)}`;
      if (clock.now() - began > HELD_MS) waits.reset();
      const waitMs = Math.round(waits.next());
      log.warn({ process: part.name, why, waitMs }, "a process ended: starting it again");
      onRestart?.({ name: part.name, why, waitMs });
      await clock.sleep(waitMs, this.#stopping.signal).catch(() => {});
      if (this.#stopping.signal.aborted) return;
      await part
        .start((child) => this.#began(child))
        .catch((error: unknown) => {
          log.warn({ process: part.name, err: error }, "a process did not start");
        });
    }
  }

  async #stop(graceMs: number): Promise<void> {
    this.#stopping.abort(failedPrecondition("STOPPED", "stopped while it started"));
    const { dataDir, clock, ephemeral } = this.#options;
    const etcd = this.#children.get("etcd");
    const services = [...this.#children.values()].filter((child) => child !== etcd);
    await Promise.all([
      ...services.map((child) => child.stop(graceMs)),
      endRecorded(dataDir, ["workers"], graceMs, clock),
    ]);
    await endRecorded(dataDir, ["workers"], 0, clock); // those that the master started while it was told
    await etcd?.stop(graceMs === 0 ? 0 : ETCD_GRACE_MS);
    await this.#attempt?.catch(() => {}); // what was on its way came to `#began`, and ended there
    if (this.#lock === undefined) return;
    await this.#watcher?.dismiss();
    await endRecorded(dataDir, ["processes"], 0, clock);
    await rm(join(dataDir, "cluster.json"), { force: true });
    await this.#lock.release();
    if (ephemeral) await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  /** For people and programs that look for the cluster: where it answers, and which processes it is. */
  async #writeState(info: ClusterInfo): Promise<void> {
    const processes = Object.fromEntries([...this.#children].map(([name, { pid }]) => [name, pid]));
    const state = {
      ...info,
      pid: process.pid,
      processes,
      started: new Date(this.#options.clock.wall()).toISOString(),
    };
    const file = join(info.dataDir, "cluster.json");
    await writeFile(`${file}.tmp`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
    await rename(`${file}.tmp`, file);
  }
}
