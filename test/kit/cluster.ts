// A real cluster for a test: etcd, masters and merge replicas as processes on free loopback ports, workers as the masters start
// them. Each of them can be killed and started again. `stop` fails the test when anything is left.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileCache, freePorts } from "@sheaf/provision";
import { publicConnection } from "@sheaf/rpc";
import { ClusterSecurity } from "./cluster-security.ts";
import { serviceProgram } from "./service-program.ts";

/** The second replica of a kind is "master-2", "merge-2", and so on. */
export type ServiceName = "etcd" | ReplicaName;
export type ReplicaName = "master" | "merge" | `master-${number}` | `merge-${number}`;

export interface ClusterOptions {
  /** Settings for the services, for example SHEAF_SHARD_BYTES_MIN. */
  readonly env?: Readonly<Record<string, string>>;
  /** etcd syncs its log, for measurements; tests of anything but lost power need it not. */
  readonly fsync?: boolean;
  /** How many of each kind. Default 1. */
  readonly masters?: number;
  readonly merges?: number;
  /** Address of the object store. Default: a folder of the cluster's own. */
  readonly store?: string;
  /** Everything speaks TLS, etcd too, and the API wants tokens: `tokenOf` has them. */
  readonly secure?: boolean;
}

/** What a service says when it serves, or null when that is to be asked over HTTP (etcd). */
const READY_LINE = '"ready":true';

interface Ports {
  readonly etcd: number;
  readonly peer: number;
  /** Of each replica: where its dispatch listens, and the API of a master. */
  readonly replicas: ReadonlyMap<ReplicaName, { readonly dispatch: number; readonly api: number }>;
}

export class TestCluster {
  readonly folder: string;
  readonly #ports: Ports;
  readonly #processes = new Map<ServiceName, ChildProcess>();
  readonly #env: Readonly<Record<string, string>>;
  readonly #fsync: boolean;
  readonly #store: string;

  #security: ClusterSecurity | undefined;

  private constructor(ports: Ports, { env = {}, fsync = false, store }: ClusterOptions) {
    this.folder = mkdtempSync(join(tmpdir(), "sheaf-test-"));
    this.#ports = ports;
    this.#env = env;
    this.#fsync = fsync;
    this.#store = store ?? `file://${this.folder}/store`;
  }

  /** Starts all of it: one master and one merge replica, with these settings for them. */
  static start(env: Readonly<Record<string, string>> = {}, fsync = false): Promise<TestCluster> {
    return TestCluster.startMany({ env, fsync });
  }

  /** Starts all of it. */
  static async startMany(options: ClusterOptions): Promise<TestCluster> {
    const { masters = 1, merges = 1 } = options;
    const names = [...namesOf("master", masters), ...namesOf("merge", merges)];
    const [etcd = 0, peer = 0, ...rest] = await freePorts(2 + 2 * names.length);
    const replicas = new Map(names.map((name, i) => [name, { dispatch: rest[2 * i] ?? 0, api: rest[2 * i + 1] ?? 0 }]));
    const cluster = new TestCluster({ etcd, peer, replicas }, options);
    try {
      if (options.secure) cluster.#security = await ClusterSecurity.make(cluster.folder);
      await cluster.run("etcd");
      await Promise.all(names.map((name) => cluster.run(name)));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Address of the public API of the first master. */
  get address(): string {
    return this.addressOf("master");
  }

  /** Address of the public API of a master. */
  addressOf(master: ReplicaName): string {
    return `127.0.0.1:${this.#ports.replicas.get(master)?.api}`;
  }

  /** Where workers open their sessions with a replica. */
  dispatchOf(replica: ReplicaName): string {
    return `127.0.0.1:${this.#ports.replicas.get(replica)?.dispatch}`;
  }

  get replicas(): ReplicaName[] {
    return [...this.#ports.replicas.keys()];
  }

  get etcdAddress(): string {
    return `127.0.0.1:${this.#ports.etcd}`;
  }

  /** As the administrator, where there are users. */
  connection(master: ReplicaName = "master", token = this.#security?.tokenOf("admin")) {
    const { ca } = this.#security ?? {};
    const secure = ca && { tls: { kind: "user", ca } as const, retryMs: 0 };
    return publicConnection(this.addressOf(master), { ...secure, ...(token && { token }) });
  }

  /** Of a secure cluster. */
  get security(): ClusterSecurity {
    if (this.#security === undefined) throw new Error("the cluster was not started with `secure`");
    return this.#security;
  }

  pid(name: ServiceName): number {
    const pid = this.#processes.get(name)?.pid;
    if (pid === undefined) throw new Error(`${name} does not run`);
    return pid;
  }

  /** Pids of the workers that live, by what /proc says: they belong to this cluster by their data folder. */
  workerPids(): number[] {
    return processesWith(`${join("services", "worker")}`, this.folder);
  }

  /** Starts a service, on the ports that it had before, with `more` settings; resolves when it serves. */
  async run(name: ServiceName, more: Readonly<Record<string, string>> = {}): Promise<void> {
    // The program writes into the file itself: all that it said is there when it has ended.
    const log = openSync(join(this.folder, `${name}.log`), "a");
    const before = fstatSync(log).size;
    const child = spawn(...this.#command(name), {
      env: { ...this.#environment(), ...more },
      stdio: ["ignore", "pipe", log],
    });
    closeSync(log);
    this.#processes.set(name, child);
    await (name === "etcd" ? this.#healthy(child) : saysReady(child, () => this.#logFrom(name, before)));
    child.stdout?.resume();
  }

  /** Sends a signal and waits for the end. */
  async end(name: ServiceName, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const over = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await over;
  }

  log(name: ServiceName): string {
    return this.#logFrom(name, 0);
  }

  #logFrom(name: ServiceName, byte: number): string {
    return readFileSync(join(this.folder, `${name}.log`)).toString("utf8", byte);
  }

  /** Ends everything, workers too, and removes the folder. */
  async stop(): Promise<void> {
    // etcd last: the services give their keys back.
    await Promise.all(this.replicas.map((name) => this.end(name, "SIGTERM")));
    await this.end("etcd", "SIGTERM");
    for (const pid of this.workerPids()) process.kill(pid, "SIGKILL");
    await eventually(() => processesWith("", this.folder).length === 0, "every process of the cluster is gone");
    rmSync(this.folder, { recursive: true, force: true });
  }

  #command(name: ServiceName): [string, string[]] {
    const { etcd, peer, replicas } = this.#ports;
    const secure = name === "etcd" ? [] : (this.#security?.serviceFlags(name) ?? []);
    const shared = ["--etcd", this.etcdAddress, "--store", this.#store, ...secure];
    if (name === "etcd")
      return [
        etcdBinary(),
        [
          ...etcdFlags(join(this.folder, "etcd"), etcd, peer, this.#security !== undefined),
          ...(this.#security?.etcdFlags() ?? []),
          ...(this.#fsync ? [] : ["--unsafe-no-fsync"]),
        ],
      ];
    const service = name.startsWith("merge") ? "merge" : "master";
    const program = serviceProgram(service);
    const dispatch = ["--dispatch-listen", this.dispatchOf(name)];
    if (service === "merge") return [process.execPath, [program, ...shared, ...dispatch]];
    const merges = [...replicas.keys()].filter((each) => each.startsWith("merge"));
    const data = ["--data", join(this.folder, name.replace("master", "data"))];
    const found = ["--merge-dispatch", merges.map((each) => this.dispatchOf(each)).join(",")];
    return [process.execPath, [program, ...shared, "--listen", this.addressOf(name), ...dispatch, ...data, ...found]];
  }

  #environment(): Record<string, string> {
    const { PATH = "", HOME = "" } = process.env;
    // As a user's own cluster has it: a service that compiles everything anew takes twice as long to start.
    return { PATH, HOME, NODE_COMPILE_CACHE: compileCache(process.env), ...this.#env };
  }

  async #healthy(child: ChildProcess): Promise<void> {
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}: ${this.log("etcd")}`);
      if (this.#security !== undefined) return this.#security.etcdAnswers(this.etcdAddress);
      const answer = await fetch(`http://${this.etcdAddress}/health`).catch(() => null);
      return answer?.ok === true && (await answer.text()).includes("true");
    }, "etcd is healthy");
  }
}

function namesOf(service: "master" | "merge", count: number): ReplicaName[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? service : (`${service}-${i + 1}` as const)));
}

function etcdBinary(): string {
  const binary = process.env["SHEAF_ETCD_BIN"];
  if (binary === undefined) throw new Error("SHEAF_ETCD_BIN must name an etcd: `npm test` finds one");
  return binary;
}

function etcdFlags(dataDir: string, port: number, peer: number, isSecure: boolean): string[] {
  const client = `${isSecure ? "https" : "http"}://127.0.0.1:${port}`;
  const listen = ["--listen-client-urls", client, "--advertise-client-urls", client];
  const peers = ["--listen-peer-urls", `${isSecure ? "https" : "http"}://127.0.0.1:${peer}`];
  return ["--data-dir", dataDir, ...listen, ...peers, "--log-level", "error"];
}

function saysReady(child: ChildProcess, lastWords: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(READY_LINE)) resolve();
    });
    child.once("exit", (code, signal) => reject(new Error(`it ended with ${code ?? signal}: ${lastWords()}`)));
  });
}

/** Processes whose command line or environment names the folder, and whose command line has `word`. */
export function processesWith(word: string, folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      const line = read(`/proc/${pid}/cmdline`);
      return line.includes(word) && line.includes(folder);
    })
    .map(Number);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it is gone
  }
}

/**
 * Waits until it is so, by looking every 20 ms: for what gives no signal (other processes, files). At most a minute, which a disk that is
 * busy with other things may take.
 */
export async function eventually(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 60_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`not so after ${limitMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
