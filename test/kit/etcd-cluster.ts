/**
 * Three etcd members on this machine, for what one member alone cannot show: losing one, losing the quorum. Each speaks to the
 * others through a proxy before it, so that it can be cut off from them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { connectEtcd } from "@sheaf/etcd";
import { freePorts } from "@sheaf/provision";
import { type After, etcdBinary, temporaryFolder } from "./etcd-server.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { holdsPort } from "./link-owner.ts";

export interface ClusterMember {
  readonly name: string;
  /** `127.0.0.1:PORT`, for clients. */
  readonly address: string;
  readonly pid: number;
  signal(signal: NodeJS.Signals): void;
  /** Sends it, and waits until the member is gone. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts one that has ended, on its data. It answers when it has found the others. */
  start(): void;
  /** Deletes the data of one that has ended; it can start again when the others have taken it as a new member. */
  wipe(): Promise<void>;
  /** Where the other members reach it: `http://127.0.0.1:PORT`. */
  readonly peerUrl: string;
  /** Cuts it off from the other members, in both directions; clients still reach it. Returns how to end that. */
  isolate(): Promise<() => Promise<void>>;
}

export interface EtcdClusterOptions {
  /** Where data (and logs) go. Default: a folder that is deleted. */
  readonly folder?: string;
  readonly quotaBytes?: number;
  /** Syncs its log to the disk. Tests of anything but disks need it not. */
  readonly fsync?: boolean;
  /** Default: 500, for tests that wait for elections. */
  readonly electionMs?: number;
}

const SIZE = 3;

/** Starts them and waits until they answer a linearizable read; they are gone at the end of the test. */
export async function startEtcdCluster(
  after: After,
  options: EtcdClusterOptions = {},
): Promise<readonly ClusterMember[]> {
  const folder = options.folder ?? (await temporaryFolder(after));
  const ports = await freePorts(2 * SIZE);
  const proxies = await Promise.all(ports.slice(0, SIZE).map((port) => FaultProxy.before(`127.0.0.1:${port}`)));
  after(async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))));
  const initial = proxies.map(({ address }, i) => `m${i}=http://${address}`).join(",");
  const members = proxies.map((proxy, i) => {
    const client = `127.0.0.1:${ports[SIZE + i]}`;
    return new Member(`m${i}`, client, proxy, join(folder, `m${i}`), [
      ...[`--name=m${i}`, `--data-dir=${join(folder, `m${i}`)}`, `--initial-cluster=${initial}`],
      ...[`--listen-peer-urls=http://127.0.0.1:${ports[i]}`, `--initial-advertise-peer-urls=http://${proxy.address}`],
      ...[`--listen-client-urls=http://${client}`, `--advertise-client-urls=http://${client}`],
      ...timing(options.electionMs ?? 500),
      ...(options.fsync ? [] : ["--unsafe-no-fsync"]),
      ...(options.quotaBytes === undefined ? [] : [`--quota-backend-bytes=${options.quotaBytes}`]),
      ...["--log-level=warn", `--log-outputs=${options.folder ? join(folder, `m${i}.log`) : "/dev/null"}`],
    ]);
  });
  for (const member of members) {
    member.others = members.filter((other) => other !== member);
    member.start();
    after(() => member.end("SIGKILL"));
  }
  const client = await connectEtcd({ addresses: members.map(({ address }) => address) });
  await client.close();
  return members;
}

function timing(electionMs: number): string[] {
  return [`--heartbeat-interval=${electionMs / 10}`, `--election-timeout=${electionMs}`];
}

class Member implements ClusterMember {
  readonly name: string;
  readonly address: string;
  others: readonly Member[] = [];
  /** Before its port for the other members. */
  readonly #peers: FaultProxy;
  readonly #dataDir: string;
  readonly #flags: readonly string[];
  /** After a wipe it joins a cluster that exists. */
  #state: "new" | "existing" = "new";
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();

  constructor(name: string, address: string, peers: FaultProxy, dataDir: string, flags: readonly string[]) {
    this.name = name;
    this.address = address;
    this.#peers = peers;
    this.#dataDir = dataDir;
    this.#flags = flags;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.signal(signal);
    // A frozen one hears of it when it goes on.
    this.signal("SIGCONT");
    await this.#exited;
  }

  start(): void {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) return;
    const flags = [...this.#flags, `--initial-cluster-state=${this.#state}`];
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", etcdBinary(), ...flags], { stdio: "ignore" });
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once("exit", () => resolve()));
  }

  get peerUrl(): string {
    return `http://${this.#peers.address}`;
  }

  async wipe(): Promise<void> {
    await rm(this.#dataDir, { recursive: true, force: true });
    this.#state = "existing";
  }

  async isolate(): Promise<() => Promise<void>> {
    const mine = (port: number) => holdsPort(this.pid, port);
    await Promise.all([
      this.#peers.set("black-hole"),
      ...this.others.map((other) => other.#peers.set("black-hole", mine)),
    ]);
    return async () => {
      await Promise.all([this, ...this.others].map((member) => member.#peers.set("pass")));
    };
  }
}
