/**
 * The etcd of a local cluster: one member, on loopback only. Nothing of it is known here but its flags and two pages that
 * it serves over HTTP: `/version` and `/health`.
 */
import { accessSync, constants, statSync } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import {
  type Clock,
  failedPrecondition,
  type Logger,
  notFound,
  permissionDenied,
  SheafError,
  unavailable,
} from "@sheaf/runtime";
import { type Child, describeExit, startChild } from "./child.ts";
import { freePorts, requireFree } from "./ports.ts";

const HOST = "127.0.0.1";
const START_MS = 20_000;
const LOOK_MS = 20;
const QUOTA_BYTES = 2 * 1024 ** 3;
/** For each minor version the first release without bugs that lose leases or events; later minors are fine. */
const OLDEST: Readonly<Record<string, number>> = { "3.5": 33, "3.6": 14 };

export interface StartEtcdOptions {
  /** Path of the program. Default: SHEAF_ETCD_BIN of `env`, then `etcd` on its PATH. */
  readonly binary?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Data in `etcd/`, log in `logs/etcd.log`. What is there goes on living. */
  readonly dataDir: string;
  /** Port for clients. Default 0: any free one. */
  readonly port?: number;
  /** Faster, and a crash of the machine may lose data: for what is thrown away anyway. */
  readonly noFsync?: boolean;
  /** Limit of its database in bytes. Default 2 GiB; etcd advises 8 GiB at most. */
  readonly quotaBytes?: number;
  readonly log: Logger;
  readonly clock: Clock;
}

export interface EtcdProcess {
  /** "127.0.0.1:PORT". */
  readonly address: string;
  readonly child: Child;
  /** Resolves when it answers. Throws what kept it from it; then it is stopped. */
  readonly ready: Promise<void>;
}

/**
 * Begins to start etcd: the address is known at once, so that others can start meanwhile. Throws NOT_FOUND (no program),
 * PERMISSION_DENIED (data folder), FAILED_PRECONDITION (port in use); `ready` rejects with FAILED_PRECONDITION (too old)
 * or UNAVAILABLE with the end of its log.
 */
export async function startEtcd(options: StartEtcdOptions): Promise<EtcdProcess> {
  const binary = options.binary ?? findEtcd(options.env);
  await requireProgram(binary);
  await prepareDataDir(options.dataDir);
  if (options.port) await requireFree(options.port, "etcd");
  const port = options.port || ((await freePorts(1))[0] ?? 0);
  const argv = [...dyingWithUs(options.env), binary, ...flags(options, port)];
  const child = await startChild({ ...options, name: "etcd", argv });
  child.stdout.resume();
  const ready = becomeReady(child, port, options);
  ready.catch(() => {}); // whoever starts etcd may look at it later
  return { address: `${HOST}:${port}`, child, ready };
}

async function becomeReady(child: Child, port: number, options: StartEtcdOptions): Promise<void> {
  const { clock, log } = options;
  const exited = child.exited.then(async (exit) => {
    throw await endedEarly(child, `it ended with ${describeExit(exit)}`);
  });
  const over = new AbortController();
  const tooLong = clock.sleep(START_MS, over.signal).then(async () => {
    throw await endedEarly(child, `it did not answer within ${START_MS / 1000} s`);
  });
  for (const promise of [tooLong, exited]) promise.catch(() => {});
  try {
    await Promise.race([exited, tooLong, answers(port, clock, over.signal)]);
    log.debug({ address: `${HOST}:${port}`, pid: child.pid }, "etcd: answers");
  } catch (error) {
    await child.stop(1_000);
    throw error;
  } finally {
    over.abort();
  }
}

/** Resolves when etcd is of a good version and healthy; else goes on asking. */
async function answers(port: number, clock: Clock, signal: AbortSignal): Promise<void> {
  let version: string | undefined;
  while (!signal.aborted) {
    version ??= field(await page(port, "version", signal), "etcdserver");
    if (version !== undefined && !isSupported(version)) throw tooOld(version);
    if (version !== undefined && field(await page(port, "health", signal), "health") === "true") return;
    await clock.sleep(LOOK_MS, signal).catch(() => {});
  }
}

async function page(port: number, name: string, signal: AbortSignal): Promise<unknown> {
  try {
    const response = await fetch(`http://${HOST}:${port}/${name}`, { signal });
    return await response.json();
  } catch {
    return undefined;
  }
}

function field(page: unknown, name: string): string | undefined {
  if (typeof page !== "object" || page === null || !(name in page)) return undefined;
  return String((page as Readonly<Record<string, unknown>>)[name]);
}

function flags({ dataDir, noFsync, quotaBytes = QUOTA_BYTES }: StartEtcdOptions, port: number): string[] {
  const client = `http://${HOST}:${port}`;
  // The only member has no peers: it listens for them on any port, under a name that never changes.
  const peer = `http://${HOST}:2380`;
  return [
    "--name=sheaf",
    `--data-dir=${join(dataDir, "etcd")}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=http://${HOST}:0`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=sheaf=${peer}`,
    "--auto-compaction-mode=periodic",
    "--auto-compaction-retention=5m",
    `--quota-backend-bytes=${quotaBytes}`,
    // Alone, it need not wait for others before it elects itself.
    "--heartbeat-interval=50",
    "--election-timeout=500",
    "--log-level=warn",
    ...(noFsync ? ["--unsafe-no-fsync"] : []),
  ];
}

/** With setpriv (Linux) the kernel ends etcd when we die, however we die. The watcher is there where it is missing. */
function dyingWithUs(env: StartEtcdOptions["env"]): string[] {
  const setpriv = process.platform === "linux" ? findOnPath("setpriv", env) : undefined;
  return setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL", "--"];
}

function findEtcd(env: StartEtcdOptions["env"]): string {
  const found = env.SHEAF_ETCD_BIN || findOnPath("etcd", env);
  if (found) return found;
  throw notFound(
    "ETCD_MISSING",
    "etcd is missing: neither SHEAF_ETCD_BIN nor PATH has it; run `npm run setup`, or install etcd 3.6.14 or newer",
  );
}

function findOnPath(name: string, env: StartEtcdOptions["env"]): string | undefined {
  const candidates = (env.PATH ?? "").split(delimiter).map((dir) => join(dir, name));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

async function requireProgram(binary: string): Promise<void> {
  try {
    await access(binary, constants.X_OK);
  } catch (cause) {
    throw notFound("ETCD_MISSING", `etcd is not at ${binary}, or is no program; check SHEAF_ETCD_BIN`, { cause });
  }
}

async function prepareDataDir(dataDir: string): Promise<void> {
  const folder = join(dataDir, "etcd");
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const message = `cannot write to ${folder}, where etcd keeps its data; choose another folder with --data`;
    throw permissionDenied("DATA_DIR_NOT_WRITABLE", message, { cause });
  }
}

function isSupported(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const oldest = OLDEST[`${major}.${minor}`];
  if (oldest !== undefined) return patch >= oldest;
  return major > 3 || (major === 3 && minor > 6);
}

function tooOld(version: string): SheafError {
  return failedPrecondition(
    "ETCD_TOO_OLD",
    `etcd ${version} is too old: it can lose leases or events; use 3.6.14 (or 3.5.33) or newer`,
    { metadata: { version } },
  );
}

async function endedEarly(child: Child, what: string): Promise<SheafError> {
  const tail = (await child.logTail()).trim();
  if (/address already in use/.test(tail)) {
    return failedPrecondition(
      "PORT_IN_USE",
      "the port of etcd was taken by another program while it started; start again",
    );
  }
  if (/no space left on device/.test(tail)) {
    return new SheafError(
      "RESOURCE_EXHAUSTED",
      "DISK_FULL",
      `etcd cannot write its data: the disk is full (${child.logFile})`,
    );
  }
  const last = tail.split("\n").at(-1) ?? "";
  return unavailable(
    "ETCD_NOT_STARTED",
    `etcd did not start: ${what}; the end of ${child.logFile}: ${last || "(empty)"}`,
  );
}
