// The cluster under test: three etcd members, masters and merge replicas, the workers that the masters start, and a fault proxy on
// every link between them:
//
//   API client -> master          one proxy for each master
//   worker -> master, merge       one for each replica: the address that it advertises
//   master, merge -> etcd         one for each replica and member
//   etcd -> etcd                  one before each member (test/kit/etcd-cluster.ts)
//
// The store is a folder, and has no link. The watcher of the checker and the nemesis' own client reach etcd past the proxies.

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "@sheaf/provision";
import { type ClusterMember, startEtcdCluster } from "../kit/etcd-cluster.ts";
import type { After } from "../kit/etcd-server.ts";
import { FaultProxy } from "../kit/fault-proxy.ts";
import type { Journal } from "./journal.ts";
import { Service } from "./services.ts";

export type { FaultMode } from "../kit/fault-proxy.ts";
export { holdsPort } from "../kit/link-owner.ts";
export type { ClusterMember, FaultProxy };

export interface WorldShape {
  readonly masters: number;
  readonly merges: number;
  /** etcd syncs its log to the disk. */
  readonly fsync: boolean;
  /** How large etcd's database may grow. Default: its own. */
  readonly quotaBytes?: number;
}

/** A replica with its links. */
export interface Replica {
  readonly service: Service;
  /** What workers come through. */
  readonly dispatch: FaultProxy;
  /** What API clients come through; masters have it. */
  readonly api?: FaultProxy;
  /** Its way to each member of etcd. */
  readonly etcd: readonly FaultProxy[];
}

export interface WorkerProcess {
  readonly pid: number;
  readonly id: string;
  readonly pool: string;
}

const LOOPBACK = "127.0.0.1";

export class World {
  readonly folder: string;
  readonly members: readonly ClusterMember[];
  readonly replicas: readonly Replica[];

  private constructor(folder: string, members: readonly ClusterMember[], replicas: readonly Replica[]) {
    this.folder = folder;
    this.members = members;
    this.replicas = replicas;
  }

  /** Starts etcd and the proxies; services are started by `startServices`. All of it ends with `after`. */
  static async build(folder: string, shape: WorldShape, nemesis: Journal, after: After): Promise<World> {
    for (const name of ["etcd", "logs", "store", "notes", "marks"]) mkdirSync(join(folder, name), { recursive: true });
    const members = await startEtcdCluster(after, {
      folder: join(folder, "etcd"),
      fsync: shape.fsync,
      electionMs: 1_000,
      ...(shape.quotaBytes !== undefined && { quotaBytes: shape.quotaBytes }),
    });
    const ports = await freePorts(2 * shape.masters + shape.merges);
    const port = () => ports.pop() ?? 0;
    const replicas: Replica[] = [];
    for (let i = 0; i < shape.masters; i++)
      replicas.push(await buildReplica("master", i, folder, members, [port(), port()], nemesis));
    for (let i = 0; i < shape.merges; i++)
      replicas.push(await buildReplica("merge", i, folder, members, [port()], nemesis));
    after(async () => {
      const proxies = replicas.flatMap(({ dispatch, api, etcd }) => [dispatch, ...(api ? [api] : []), ...etcd]);
      await Promise.all(proxies.map((proxy) => proxy.close()));
    });
    return new World(folder, members, replicas);
  }

  get masters(): readonly Replica[] {
    return this.replicas.filter(({ service }) => service.kind === "master");
  }

  get merges(): readonly Replica[] {
    return this.replicas.filter(({ service }) => service.kind === "merge");
  }

  startServices(): void {
    for (const { service } of this.replicas) service.start();
  }

  /** In order: replicas hand over, then workers go with what is left. */
  async stopServices(): Promise<void> {
    await Promise.all(this.replicas.map(({ service }) => service.end("SIGTERM")));
    for (const { pid } of this.workers()) process.kill(pid, "SIGCONT");
  }

  /** Workers of this cluster that live, by what /proc says. */
  workers(): WorkerProcess[] {
    const program = /services\/worker\/src\/main\.m?[tj]s$/;
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        const argv = commandLine(pid);
        if (!argv.some((arg) => program.test(arg)) || !argv.some((arg) => arg.startsWith(this.folder))) return [];
        const after = (flag: string) => argv[argv.indexOf(flag) + 1] ?? "";
        return [{ pid: Number(pid), id: after("--id"), pool: after("--pool") }];
      });
  }

  /** Where API clients find the masters. */
  get addresses(): string[] {
    return this.masters.map(({ api }) => api?.address ?? "");
  }
}

async function buildReplica(
  kind: "master" | "merge",
  index: number,
  folder: string,
  members: readonly ClusterMember[],
  [dispatchPort, apiPort]: readonly number[],
  nemesis: Journal,
): Promise<Replica> {
  const name = `${kind}-${index}`;
  const etcd = await Promise.all(members.map(({ address }) => FaultProxy.before(address)));
  const dispatch = await FaultProxy.before(`${LOOPBACK}:${dispatchPort}`);
  const api = apiPort === undefined ? undefined : await FaultProxy.before(`${LOOPBACK}:${apiPort}`);
  const flags = [
    ...["--etcd", etcd.map(({ address }) => address).join(",")],
    ...["--store", `file://${join(folder, "store")}`],
    ...["--dispatch-listen", `${LOOPBACK}:${dispatchPort}`, "--dispatch-advertise", dispatch.address],
    ...(api === undefined ? [] : ["--listen", `${LOOPBACK}:${apiPort}`, "--data", join(folder, "data", name)]),
  ];
  const env = { SHEAF_SHARD_BYTES_MIN: "1KiB" };
  const service = new Service({ kind, name, flags, folder, env, nemesis });
  return { service, dispatch, etcd, ...(api && { api }) };
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // it is gone
  }
}
