/**
 * The contract of our etcd client: what the rest of Sheaf may know of etcd.
 *
 * Who may retry: reads are retried here, because reading twice is harmless. A transaction is sent exactly
 * once, and an answer that did not come is an outcome of its own (`unknown`): such a write may be applied
 * now, later or never (a put that "timed out" was seen to apply 14 s later), so only the owner of the data
 * can decide what to do (L2: seal, then read).
 */

/** A revision of etcd's store (int64). 0n stands for "no key". */
export type Revision = bigint;

export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** The fence of a claim (L3): set when the key was created, unchanged by later puts. */
  readonly createRevision: Revision;
  /** The epoch of an owner key (L1): set by each put. */
  readonly modRevision: Revision;
  /** Puts since the key was created; 1 for a new key. */
  readonly version: bigint;
  /** Decimal; "0" for no lease. */
  readonly lease: string;
}

/** All must hold for `then` to be done. `is: 0n` means that the key is absent. */
export type Compare =
  | { readonly key: string; readonly target: "create" | "mod"; readonly is: Revision }
  | { readonly key: string; readonly target: "value"; readonly is: Uint8Array };

/** A put without `lease` detaches the key from the lease that it had, for ever (L3). Values: at most 64 KiB. */
export type Op =
  | { readonly put: string; readonly value: Uint8Array; readonly lease?: string }
  | { readonly delete: string }
  | { readonly deletePrefix: string }
  | { readonly get: string };

/** At most 128 compares, and 128 operations in each branch; a key may be changed once. */
export interface Txn {
  readonly compare: readonly Compare[];
  readonly then: readonly Op[];
  readonly else?: readonly Op[];
}

/** `reads` holds one entry for each `get` of the branch that ran, in order; null for an absent key. */
export type TxnOutcome =
  | {
      readonly kind: "applied";
      readonly revision: Revision;
      readonly reads: readonly (KeyValue | null)[];
    }
  /** A compare did not hold; the else branch ran. */
  | {
      readonly kind: "refused";
      readonly revision: Revision;
      readonly reads: readonly (KeyValue | null)[];
    }
  /** Definitely not applied: a put names a lease that does not exist. etcd does not say which. */
  | { readonly kind: "lease-not-found" }
  /** Definitely not applied, and never will be: too many operations, too large, a key twice, not permitted. */
  | { readonly kind: "invalid"; readonly message: string }
  /** May have been applied, may be later, or never. Read back under a seal before anything else (L2). */
  | { readonly kind: "unknown"; readonly cause: string };

export interface ListOptions {
  /** Most keys to return. Default: all. */
  readonly limit?: number;
  /** Reads the store as it was at this revision; OUT_OF_RANGE when that was compacted. */
  readonly revision?: Revision;
  /** Values stay empty. */
  readonly keysOnly?: boolean;
}

export interface Listed {
  /** In the order of their keys (bytes). */
  readonly kvs: readonly KeyValue[];
  /** The one revision at which all of it was read. */
  readonly revision: Revision;
}

export interface PageOptions {
  /** The last key of the page before; the page begins behind it. */
  readonly after?: string;
  /** 1 to 500; more counts as 500. */
  readonly limit: number;
  readonly revision?: Revision;
  /** From the last key to the first. etcd sorts the whole prefix for it: for small prefixes. */
  readonly descending?: boolean;
}

export interface Page extends Listed {
  readonly more: boolean;
}

/**
 * A lease that is renewed every third of its TTL until it is stopped, revoked or lost.
 * It is a hint of life, never a lock (L3): every write that needs it is fenced by comparison.
 */
export interface Lease {
  /** Decimal. */
  readonly id: string;
  /** What the server granted: it may be more than was asked for (at least 2). */
  readonly ttlSeconds: number;
  /**
   * Whether the lease certainly lived a moment ago: now < send time of the last answered renewal + 0.8 TTL.
   * Once `lost` has resolved it is false for ever. Also false, until the next answer, when the wall clock
   * shows that the machine was suspended.
   */
  valid(): boolean;
  /** Resolves once, when the server says that the lease is gone or `valid()` ran out. Never after revoke or stop. */
  readonly lost: Promise<void>;
  /** Stops renewing, then revokes: the keys under it are deleted. Harmless when it is gone already. */
  revoke(): Promise<void>;
  /** Stops renewing and does not revoke: the server ends it after its TTL. Leaves no timer. */
  stop(): void;
}

export type WatchEvent =
  | { readonly type: "put"; readonly kv: KeyValue }
  | { readonly type: "delete"; readonly key: string; readonly modRevision: Revision };

/** Called in order, never at the same time. A handler must not throw: that ends the process (exit 70). */
export interface WatchHandler {
  /**
   * All keys of the prefix at a revision. Comes first, and again whenever events were lost (compaction, a
   * restored backup): what it does not list does not exist.
   */
  snapshot(kvs: readonly KeyValue[], revision: Revision): void;
  /** Whole revisions, in order, each event once. `revision` is the last one in it. */
  events(events: readonly WatchEvent[], revision: Revision): void;
}

export interface Watch {
  /** The first snapshot was delivered. Rejects with CANCELLED when closed before. */
  readonly ready: Promise<void>;
  /** No handler is called after it was called; it resolves in bounded time, also without a network. */
  close(): Promise<void>;
}

export interface LeaseInfo {
  /** Seconds until it ends unless renewed. */
  readonly ttlSeconds: number;
  readonly grantedTtlSeconds: number;
  /** The keys attached to it. */
  readonly keys: readonly string[];
}

export interface EtcdStatus {
  readonly version: string;
  /** The member that answered. */
  readonly address: string;
  readonly dbSizeBytes: number;
  /** What the keys need; the rest is free after a defragmentation. */
  readonly dbSizeInUseBytes: number;
  /** False while the member knows no leader. */
  readonly hasLeader: boolean;
  /** What the member itself reports as wrong, alarms (NOSPACE, CORRUPT) among it. */
  readonly problems: readonly string[];
}

/**
 * Reads, and what may be repeated without harm, are retried on transient errors and then throw UNAVAILABLE
 * with the addresses and how long was tried; RESOURCE_EXHAUSTED when etcd has no space; PERMISSION_DENIED;
 * DATA_LOSS when etcd reports corruption; CANCELLED after `close`.
 */
export interface Etcd {
  /** A linearizable read. */
  get(key: string): Promise<KeyValue | null>;
  /** All keys of a prefix at one revision, read in pages of at most 500. */
  list(prefix: string, options?: ListOptions): Promise<Listed>;
  page(prefix: string, options: PageOptions): Promise<Page>;
  /** Sent exactly once. Never throws for what etcd or the network does. Default deadline: 5,000 ms. */
  txn(txn: Txn, options?: { readonly deadlineMs?: number }): Promise<TxnOutcome>;
  /** A lost answer leaves a lease that nobody knows: it ends after its TTL. */
  grantLease(ttlSeconds: number): Promise<Lease>;
  /** Ends a lease, also somebody else's. False when there was none. */
  revokeLease(id: string): Promise<boolean>;
  /** Null when there is no such lease. */
  leaseTimeToLive(id: string): Promise<LeaseInfo | null>;
  watch(prefix: string, handler: WatchHandler, options?: { readonly name?: string }): Watch;
  status(): Promise<EtcdStatus>;
  /** What keeps etcd from serving, in one line for people: `etcd does not answer: ...`. Undefined: nothing that is known. */
  trouble(): string | undefined;
  /** Closes watches, stops leases (without revoking them) and ends connections. */
  close(): Promise<void>;
}
