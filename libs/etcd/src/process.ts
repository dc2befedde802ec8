/**
 * An etcd server of our own on this machine, for `sheaf dev`, `sheaf run` and tests: one member, on loopback
 * only, that dies with the process that started it.
 */
import { spawn } from "node:child_process";
import { constants, existsSync } from "node:fs";
import { access, mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import {
  failedPrecondition,
  type Logger,
  messageOf,
  notFound,
  permissionDenied,
  SheafError,
  unavailable,
} from "@sheaf/runtime";
import { connectEtcd } from "./connect.ts";
import { isSupportedVersion, oldVersionError } from "./version.ts";

export interface StartEtcdOptions {
  /** Path of the etcd program, 3.6.14 or 3.5.33 at least. */
  readonly binary: string;
  /** For its data, its log (`etcd.log`) and its process id. Made when it is missing; its data goes on living. */
  readonly dataDir: string;
  /** Client port. Default 0: any free one. */
  readonly port?: number;
  /** Faster, and a crash of the machine may lose data: for tests of anything but durability. */
  readonly noFsync?: boolean;
  /** Limit of its database. Default 2 GiB; etcd advises 8 GiB at most. */
  readonly quotaBytes?: number;
  readonly log: Logger;
}

export interface EtcdProcess {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason, with how it did. */
  readonly exited: Promise<string>;
  /** SIGTERM; SIGKILL after 5 s. Resolves when it is gone; twice is harmless. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): void;
}

const HOST = "127.0.0.1";
const START_MS = 20_000;
const STOP_MS = 5_000;
/** A free port can be taken by another before etcd opens it. */
const PORT_TRIES = 3;
const QUOTA_BYTES = 2 * 1024 ** 3;
const LOG_TAIL_LINES = 4;

/**
 * Resolves when etcd has answered a linearizable read. Throws NOT_FOUND without the program,
 * PERMISSION_DENIED for a folder that cannot be written, FAILED_PRECONDITION for a port in use or a version that
 * is too old, UNAVAILABLE with the tail of its log for anything else.
 */
export async function startEtcd(options: StartEtcdOptions): Promise<EtcdProcess> {
  await checkProgram(options.binary);
  await prepareDataDir(options.dataDir);
  await refuseSecond(options.dataDir);
  for (let left = PORT_TRIES - 1; ; left--) {
    try {
      return await startOnce(options, options.port || (await freePort()));
    } catch (error) {
      const taken = error instanceof SheafError && error.reason === "PORT_IN_USE";
      if (!taken || options.port || left === 0) throw error;
    }
  }
}

async function startOnce(options: StartEtcdOptions, port: number): Promise<EtcdProcess> {
  const { dataDir, log } = options;
  const logFile = join(dataDir, "etcd.log");
  await rename(logFile, `${logFile}.1`).catch(() => {});
  const out = await open(logFile, "a", 0o600);
  const running = launch(options.binary, argumentsOf(options, port), out.fd, port);
  const decided = new AbortController();
  try {
    await out.close();
    await writeFile(pidFile(dataDir), String(running.pid));
    const { signal } = decided;
    await Promise.race([healthy(running.address, log, signal), running.exited.then(failedToStart)]);
    log.debug({ address: running.address, pid: running.pid, dataDir }, "etcd: started");
    return running;
  } catch (error) {
    await running.stop();
    throw await describeFailure(error, options, port, logFile);
  } finally {
    decided.abort();
  }
}

function argumentsOf(options: StartEtcdOptions, port: number): string[] {
  const client = `http://${HOST}:${port}`;
  // The only member has no peers: it listens for them on any port, and is known by a name that never changes.
  const peer = `http://${HOST}:2380`;
  return [
    "--name=sheaf",
    `--data-dir=${join(options.dataDir, "data")}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=http://${HOST}:0`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=sheaf=${peer}`,
    "--auto-compaction-mode=periodic",
    "--auto-compaction-retention=5m",
    `--quota-backend-bytes=${options.quotaBytes ?? QUOTA_BYTES}`,
    // Alone, it need not wait for others before it elects itself.
    "--heartbeat-interval=50",
    "--election-timeout=500",
    "--log-level=warn",
    ...(options.noFsync ? ["--unsafe-no-fsync"] : []),
  ];
}

/** With setpriv (Linux) the kernel kills etcd when we die, however we die. Its output goes to the open file. */
function launch(binary: string, args: readonly string[], out: number, port: number): EtcdProcess {
  const setpriv = process.platform === "linux" ? findOnPath("setpriv") : undefined;
  const [command, all] = setpriv ? [setpriv, ["--pdeathsig", "KILL", "--", binary, ...args]] : [binary, args];
  // A group of its own: Ctrl-C in the terminal is for us, who stop it in order.
  const child = spawn(command, all, { stdio: ["ignore", out, out], detached: true });
  const kill = () => {
    child.kill("SIGKILL");
  };
  // Where there is no setpriv, at least an orderly end of this process takes it along.
  process.once("exit", kill);
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(messageOf(error)));
    child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  void exited.then(() => process.off("exit", kill));
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(kill, STOP_MS);
    await exited;
    clearTimeout(timer);
  };
  return { address: `${HOST}:${port}`, pid: child.pid ?? -1, exited, stop, kill };
}

async function healthy(address: string, log: Logger, signal: AbortSignal): Promise<void> {
  const addresses = [address];
  const client = await connectEtcd({ addresses, log, connectTimeoutMs: START_MS, signal });
  await client.close();
}

function failedToStart(how: string): never {
  throw unavailable("ETCD_ENDED", `etcd ended while it started (${how})`);
}

async function describeFailure(
  error: unknown,
  options: StartEtcdOptions,
  port: number,
  logFile: string,
): Promise<SheafError> {
  if (error instanceof SheafError && error.reason === "ETCD_TOO_OLD") return error;
  const version = await versionOf(options.binary);
  // An old program may have ended because it does not know our flags.
  if (version !== undefined && !isSupportedVersion(version)) return oldVersionError(version, options.binary);
  const tail = await tailOf(logFile);
  const full = { cause: error, metadata: { address: `${HOST}:${port}`, logFile } };
  if (tail.includes("address already in use")) {
    return failedPrecondition(
      "PORT_IN_USE",
      `port ${port} on ${HOST} is in use: choose another, or stop what uses it`,
      full,
    );
  }
  const message = `etcd did not start on ${options.dataDir}: ${messageOf(error)}; the end of ${logFile}: ${tail || "(empty)"}`;
  return unavailable("ETCD_NOT_STARTED", message, full);
}

async function checkProgram(binary: string): Promise<void> {
  try {
    await access(binary, constants.X_OK);
  } catch (cause) {
    const advice = "run `npm run setup`, or set SHEAF_ETCD_BIN to an etcd 3.6.14 or newer";
    throw notFound("ETCD_MISSING", `there is no etcd program at ${binary}: ${advice}`, { cause });
  }
}

async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    // etcd refuses a folder that others can read.
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const advice = "choose another folder, or change its permissions";
    throw permissionDenied("ETCD_DATA_DIR", `cannot write to ${dataDir} (${messageOf(cause)}): ${advice}`, { cause });
  }
}

function pidFile(dataDir: string): string {
  return join(dataDir, "etcd.pid");
}

/** A second etcd on the same data would wait for the first one's lock, silently and for ever. */
async function refuseSecond(dataDir: string): Promise<void> {
  const pid = Number(await readFile(pidFile(dataDir), "utf8").catch(() => ""));
  // Another process may have got the number since: only one that was started on this folder counts.
  const command = pid > 0 ? await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "") : "";
  if (!command.includes(`--data-dir=${join(dataDir, "data")}`)) return;
  const advice = "stop the Sheaf that uses it, or choose another folder";
  throw failedPrecondition(
    "ETCD_DATA_DIR_IN_USE",
    `etcd (process ${pid}) is running on ${dataDir} already: ${advice}`,
    { metadata: { pid: String(pid), dataDir } },
  );
}

function versionOf(binary: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(binary, ["--version"], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 5_000,
    });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += String(chunk);
    });
    child.once("error", () => resolve(undefined));
    child.once("close", () => resolve(/etcd Version: (\S+)/.exec(text)?.[1]));
  });
}

async function tailOf(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.slice(-LOG_TAIL_LINES).map(plainLine).join(" | ");
}

/** etcd logs JSON; of each line the message and the error are what a person needs. */
function plainLine(line: string): string {
  try {
    const { msg, error } = JSON.parse(line) as { msg?: string; error?: string };
    return error === undefined ? String(msg) : `${msg}: ${error}`;
  } catch {
    return line;
  }
}

function findOnPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
