/** The client: connects, checks the servers' versions, and puts reads, transactions, leases and watches together. */
import { type Clock, invalidArgument, type Logger, parseAddress, systemClock, testLogger } from "@sheaf/runtime";
import type {
  Etcd,
  EtcdStatus,
  KeyValue,
  Lease,
  LeaseInfo,
  Listed,
  ListOptions,
  Page,
  PageOptions,
  Txn,
  TxnOutcome,
  Watch,
  WatchHandler,
} from "./etcd.ts";
import { isLeaseNotFound } from "./faults.ts";
import { KeptLease, momentOf } from "./lease.ts";
import { type EtcdTls, type Member, Members, within } from "./members.ts";
import { Reads, type Repeat, repeater } from "./reads.ts";
import { sendTxn } from "./txn.ts";
import { isSupportedVersion, oldVersionError } from "./version.ts";
import { PrefixWatch } from "./watch.ts";

export interface ConnectOptions {
  /** `host:port` each: members of one cluster. Three of them survive the loss of one. */
  readonly addresses: readonly string[];
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly tls?: EtcdTls;
  /** How long to try until a member answers. Default 10,000 ms. */
  readonly connectTimeoutMs?: number;
  /** Ends the attempt: it rejects with CANCELLED. Without effect once connected. */
  readonly signal?: AbortSignal;
}

const TXN_DEADLINE_MS = 5_000;
/** How long a watch's look at the store may take, before its stream counts as dead. */
const WATCH_READ_MS = 3_000;

/**
 * Connects to etcd. Throws INVALID_ARGUMENT for an address that is none, UNAVAILABLE when no member answers
 * (with the addresses and how long was tried), FAILED_PRECONDITION for a server that is too old.
 */
export async function connectEtcd(options: ConnectOptions): Promise<Etcd> {
  const addresses = options.addresses.map(checkedAddress);
  if (addresses.length === 0) throw invalidArgument("ETCD_ADDRESS", "no etcd address: give at least one host:port");
  const { clock = systemClock, log = testLogger(), connectTimeoutMs = 10_000 } = options;
  const client = new EtcdClient(new Members(addresses, options.tls, clock), clock, log);
  const giveUp = () => void client.close();
  try {
    options.signal?.throwIfAborted();
    options.signal?.addEventListener("abort", giveUp);
    await client.greet(connectTimeoutMs);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", giveUp);
  }
}

function checkedAddress(address: string): string {
  const bare = address.replace(/^https?:\/\//, "").replace(/\/$/, "");
  const parsed = parseAddress(bare);
  if ("value" in parsed) return bare;
  throw invalidArgument("ETCD_ADDRESS", `the etcd address "${address}" ${parsed.wrong}`);
}

class EtcdClient implements Etcd {
  readonly #members: Members;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #closed = new AbortController();
  readonly #repeat: Repeat;
  readonly #reads: Reads;
  readonly #leases = new Set<KeptLease>();
  readonly #watches = new Set<PrefixWatch>();

  constructor(members: Members, clock: Clock, log: Logger) {
    this.#members = members;
    this.#clock = clock;
    this.#log = log;
    this.#repeat = repeater(members, clock, log, this.#closed.signal);
    this.#reads = new Reads(this.#repeat);
  }

  /** Waits for a member that answers, refuses old ones, and makes sure that the cluster has a quorum. */
  async greet(timeoutMs: number): Promise<void> {
    const end = this.#clock.now() + timeoutMs;
    const ask = (_: Member, ms: number) => checkVersions(this.#members, ms);
    await this.#repeat("ask for its version", ask, { deadlineMs: timeoutMs });
    // A member without a quorum still tells its version; only a linearizable read shows that all is well.
    await this.#reads.newestRevision({ deadlineMs: Math.max(1_000, end - this.#clock.now()) });
  }

  get(key: string): Promise<KeyValue | null> {
    return this.#reads.get(key);
  }

  list(prefix: string, options?: ListOptions): Promise<Listed> {
    return this.#reads.list(prefix, options);
  }

  page(prefix: string, options: PageOptions): Promise<Page> {
    return this.#reads.page(prefix, options);
  }

  async txn(txn: Txn, options: { readonly deadlineMs?: number } = {}): Promise<TxnOutcome> {
    if (this.#closed.signal.aborted) return { kind: "unknown", cause: "this etcd client was closed" };
    return sendTxn(this.#members, txn, options.deadlineMs ?? TXN_DEADLINE_MS);
  }

  async grantLease(ttlSeconds: number): Promise<Lease> {
    const { answer, sent } = await this.#repeat(`grant a lease of ${ttlSeconds} s`, async ({ raw }, ms) => {
      const moment = momentOf(this.#clock);
      return {
        sent: moment,
        answer: await raw.leaseClient.leaseGrant({ TTL: ttlSeconds }, within(ms)),
      };
    });
    // A lease is a write as well: etcd that has no space refuses it.
    this.#members.trouble.written();
    const lease = new KeptLease(answer.ID, Number(answer.TTL), sent, {
      members: this.#members,
      clock: this.#clock,
      log: this.#log,
      revoke: (id) => this.revokeLease(id),
      retired: (which) => this.#leases.delete(which),
    });
    this.#leases.add(lease);
    return lease;
  }

  revokeLease(id: string): Promise<boolean> {
    return this.#repeat(`revoke lease ${id}`, async ({ raw }, ms) => {
      try {
        await raw.leaseClient.leaseRevoke({ ID: id }, within(ms));
        return true;
      } catch (error) {
        if (isLeaseNotFound(error)) return false;
        throw error;
      }
    });
  }

  leaseTimeToLive(id: string): Promise<LeaseInfo | null> {
    return this.#repeat(`look up lease ${id}`, async ({ raw }, ms) => {
      const answer = await raw.leaseClient.leaseTimeToLive({ ID: id, keys: true }, within(ms));
      const ttlSeconds = Number(answer.TTL);
      // -1: there is no such lease, or it has expired and is about to go.
      if (ttlSeconds < 0) return null;
      const keys = answer.keys.map((key) => key.toString("utf8"));
      return { ttlSeconds, grantedTtlSeconds: Number(answer.grantedTTL), keys };
    });
  }

  watch(prefix: string, handler: WatchHandler, options: { readonly name?: string } = {}): Watch {
    const watch = new PrefixWatch(prefix, options.name ?? prefix, handler, {
      members: this.#members,
      clock: this.#clock,
      log: this.#log,
      list: (which, signal) => this.#reads.list(which, {}, { signal }),
      newestRevision: (signal) => this.#reads.newestRevision({ signal, deadlineMs: WATCH_READ_MS }),
      retired: (which) => this.#watches.delete(which),
    });
    this.#watches.add(watch);
    return watch;
  }

  trouble(): string | undefined {
    return this.#members.trouble.describe();
  }

  status(): Promise<EtcdStatus> {
    return this.#repeat("ask for its status", statusOf);
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    for (const lease of this.#leases) lease.stop();
    await Promise.all([...this.#watches].map((watch) => watch.close()));
    this.#members.close();
  }
}

/** One that answers is enough, but none of those that answer may be too old: we may be led to it later. */
async function checkVersions(members: Members, ms: number): Promise<void> {
  const answers = await Promise.allSettled(members.all.map((member) => statusOf(member, ms)));
  const known = answers.filter((answer) => answer.status === "fulfilled").map(({ value }) => value);
  const old = known.find(({ version }) => !isSupportedVersion(version));
  if (old !== undefined) throw oldVersionError(old.version, `at ${old.address}`);
  const failed = answers.find((answer) => answer.status === "rejected");
  if (known.length === 0) throw failed?.reason;
}

async function statusOf(member: Member, ms: number): Promise<EtcdStatus> {
  const answer = await member.raw.maintenance.status(within(ms));
  return {
    version: answer.version,
    address: member.address,
    dbSizeBytes: Number(answer.dbSize),
    dbSizeInUseBytes: Number(answer.dbSizeInUse),
    hasLeader: answer.leader !== "0",
    problems: answer.errors,
  };
}
