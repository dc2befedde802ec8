// What a keeper of etcd does to it while it serves: compaction, defragmentation, alarms, members. Past the proxies, and past our own
// client, which offers none of this.

import { connectEtcd, type Etcd, keysOf } from "@sheaf/etcd";
import { Etcd3 } from "etcd3";
import type { ClusterMember } from "../kit/etcd-cluster.ts";
import { sleep } from "./sleep.ts";

/** The cluster of a run: the default name. */
export const KEYS = keysOf("default");
const CALL_MS = 5_000;

/** A lease that exists, with the keys under it. */
export interface LeaseFacts {
  readonly id: string;
  readonly grantedSeconds: number;
  readonly keys: readonly string[];
}

/** Those of sessions are renewed; one of request ids, which lives for a day, may have no key: when the answer to its grant was lost. */
const SESSION_SECONDS_MAX = 600;

/** Of a session of a worker: with masters it has the worker's key, with merge replicas none. Claims come and go. */
export function isOfSession({ keys, grantedSeconds }: LeaseFacts): boolean {
  if (grantedSeconds > SESSION_SECONDS_MAX) return false;
  return keys.every((key) => key.startsWith(KEYS.workers()) || key.startsWith(KEYS.allLedgers()));
}

export class Keeper {
  readonly #members: readonly ClusterMember[];
  readonly etcd: Etcd;

  private constructor(members: readonly ClusterMember[], etcd: Etcd) {
    this.#members = members;
    this.etcd = etcd;
  }

  static async connect(members: readonly ClusterMember[]): Promise<Keeper> {
    return new Keeper(members, await connectEtcd({ addresses: members.map(({ address }) => address) }));
  }

  close(): Promise<void> {
    return this.etcd.close();
  }

  /** Index of the member that leads; -1: none that answers knows. */
  async leader(): Promise<number> {
    const said = await Promise.allSettled(
      this.#members.map((member) => calling(member, (raw) => raw.maintenance.status(within()))),
    );
    const leader = said.find((each) => each.status === "fulfilled" && each.value.leader !== "0");
    if (leader?.status !== "fulfilled") return -1;
    return said.findIndex((each) => each.status === "fulfilled" && each.value.header.member_id === leader.value.leader);
  }

  /** Drops all history before a revision. */
  compact(revision: bigint): Promise<unknown> {
    return this.#any((raw) => raw.kv.compact({ revision: String(revision), physical: false }, within()));
  }

  defragment(index: number): Promise<unknown> {
    return calling(this.#members[index] as ClusterMember, (raw) => raw.maintenance.defragment(within()));
  }

  /** Raises the alarm that a full database raises, or takes it back: etcd refuses what would grow it. */
  async outOfSpace(on: boolean): Promise<void> {
    const action = on ? "Activate" : "Deactivate";
    await this.#any((raw) => raw.maintenance.alarm({ action, memberID: "0", alarm: "Nospace" }, within()));
    if (on) return;
    // The alarms of members that raised it themselves.
    const { alarms } = await this.#any((raw) => raw.maintenance.alarm({ action: "Get" }, within()));
    for (const { memberID, alarm } of alarms)
      await this.#any((raw) => raw.maintenance.alarm({ action: "Deactivate", memberID, alarm }, within()));
  }

  /** Leases that exist, with the keys under them. */
  async leases(): Promise<LeaseFacts[]> {
    const { leases } = await this.#any((raw) => raw.leaseClient.leaseLeases(within()));
    const known = await Promise.all(
      leases.map(async ({ ID }) => ({ id: ID, info: await this.etcd.leaseTimeToLive(ID) })),
    );
    return known.flatMap(({ id, info }) =>
      info === null ? [] : [{ id, grantedSeconds: info.grantedTtlSeconds, keys: info.keys }],
    );
  }

  /** A member whose data is lost leaves the cluster and comes back as a new one. */
  async replace(index: number): Promise<void> {
    const member = this.#members[index] as ClusterMember;
    const { members } = await this.#any((raw) => raw.cluster.memberList({}, within()));
    const known = members.find(({ peerURLs }) => peerURLs.includes(member.peerUrl));
    await member.end("SIGKILL");
    await member.wipe();
    // Half done it would be a member that cannot start: each step until it is done.
    if (known !== undefined)
      await persist(() => this.#any((raw) => raw.cluster.memberRemove({ ID: known.ID }, within())));
    await persist(() => this.#any((raw) => raw.cluster.memberAdd({ peerURLs: [member.peerUrl] }, within())));
    member.start();
  }

  /** At the first member that does it. */
  async #any<T>(call: (raw: Etcd3) => Promise<T>): Promise<T> {
    let failure: unknown;
    for (const member of this.#members) {
      try {
        return await calling(member, call);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}

/** Again until it succeeds, or was done by a try whose answer was lost. */
async function persist(step: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      return void (await step());
    } catch (error) {
      if (/member not found|Peer URLs already exists/i.test(String(error))) return;
      await sleep(500);
    }
  }
}

/** A client for each call: one that is kept opens etcd3's circuit breaker. */
async function calling<T>({ address }: ClusterMember, call: (raw: Etcd3) => Promise<T>): Promise<T> {
  const raw = new Etcd3({ hosts: `http://${address}` });
  try {
    return await call(raw);
  } finally {
    raw.close();
  }
}

function within() {
  return { deadline: Date.now() + CALL_MS };
}
