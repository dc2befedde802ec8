/** Reads, and what else may be repeated without harm: tried again, on the next member, until a deadline. */
import { type Clock, type Logger, messageOf, orAborted, retry, SheafError } from "@sheaf/runtime";
import type { IRangeRequest } from "etcd3";
import type { KeyValue, Listed, ListOptions, Page, PageOptions, Revision } from "./etcd.ts";
import { closedError, isOutOfSpace, isTransient, readError } from "./faults.ts";
import { type Member, type Members, within } from "./members.ts";
import { keyAfter, keyBytes, prefixEnd, toKeyValue } from "./wire.ts";

/** Most keys in one answer of etcd. */
export const PAGE_LIMIT = 500;
/** One attempt. etcd's own limit for a request is 7 s under a failover; another member may answer sooner. */
const ATTEMPT_MS = 3_000;
/** What the last attempt before the deadline gets at least. */
const ATTEMPT_MIN_MS = 100;
/** All attempts: longer than a failover. */
export const READ_DEADLINE_MS = 15_000;

export interface RepeatOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** One attempt at a member, within `ms`. */
export type Call<T> = (member: Member, ms: number) => Promise<T>;

/** Does a call that is harmless to repeat; throws as `Etcd` documents. */
export type Repeat = <T>(what: string, call: Call<T>, options?: RepeatOptions) => Promise<T>;

/** `closed` is aborted when the client closes. */
export function repeater(members: Members, clock: Clock, log: Logger, closed: AbortSignal): Repeat {
  return async (what, call, options = {}) => {
    if (closed.aborted) throw closedError(what);
    const begun = clock.now();
    const deadlineMs = options.deadlineMs ?? READ_DEADLINE_MS;
    const signal = options.signal === undefined ? closed : AbortSignal.any([closed, options.signal]);
    const attempt = async () => {
      const member = members.current();
      try {
        const left = begun + deadlineMs - clock.now();
        const answer = await call(member, Math.max(ATTEMPT_MIN_MS, Math.min(ATTEMPT_MS, left)));
        members.trouble.answered();
        return answer;
      } catch (error) {
        if (isTransient(error)) members.failed(member, error);
        else if (isOutOfSpace(error)) members.trouble.failed(error);
        throw error;
      }
    };
    try {
      return await orAborted(
        retry(attempt, {
          transient: isTransient,
          deadlineMs,
          capMs: 1_000,
          clock,
          signal,
          onRetry: (error, number, waitMs) =>
            log.debug({ what, attempt: number, waitMs, cause: messageOf(error) }, "etcd: trying again"),
        }),
        signal,
      );
    } catch (error) {
      if (closed.aborted) throw closedError(what);
      options.signal?.throwIfAborted();
      if (error instanceof SheafError) throw error;
      throw readError(error, what, members.addresses, clock.now() - begun);
    }
  };
}

export interface Range {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  /** The store's newest revision when it was read. */
  readonly revision: Revision;
}

export class Reads {
  readonly #repeat: Repeat;

  constructor(repeat: Repeat) {
    this.#repeat = repeat;
  }

  async get(key: string): Promise<KeyValue | null> {
    const { kvs } = await this.#range(`read ${key}`, { key: keyBytes(key) });
    return kvs[0] ?? null;
  }

  /** The store's newest revision, linearizable. */
  async newestRevision(options: RepeatOptions = {}): Promise<Revision> {
    const read = await this.#range("read its revision", { key: keyBytes("/"), limit: 1, keys_only: true }, options);
    return read.revision;
  }

  async page(prefix: string, options: PageOptions): Promise<Page> {
    const { after, limit, revision, descending = false } = options;
    const range = await this.#range(`list ${prefix}`, {
      key: after === undefined || descending ? keyBytes(prefix) : keyAfter(after),
      range_end: after === undefined || !descending ? prefixEnd(prefix) : keyBytes(after),
      limit: Math.max(1, Math.min(limit, PAGE_LIMIT)),
      ...(revision !== undefined && { revision: String(revision) }),
      ...(descending && { sort_order: "Descend", sort_target: "Key" }),
    });
    return { kvs: range.kvs, more: range.more, revision: revision ?? range.revision };
  }

  /** E10: all pages at the revision of the first; begun again when that is compacted meanwhile. */
  async list(prefix: string, options: ListOptions = {}, repeat: RepeatOptions = {}): Promise<Listed> {
    for (;;) {
      try {
        return await this.#listOnce(prefix, options, repeat);
      } catch (error) {
        const begunAnew =
          options.revision === undefined && error instanceof SheafError && error.reason === "REVISION_GONE";
        if (!begunAnew) throw error;
      }
    }
  }

  async #listOnce(prefix: string, options: ListOptions, repeat: RepeatOptions): Promise<Listed> {
    const { limit = Number.POSITIVE_INFINITY, keysOnly = false } = options;
    const kvs: KeyValue[] = [];
    let { revision } = options;
    let start = keyBytes(prefix);
    for (;;) {
      const range = await this.#range(
        `list ${prefix}`,
        {
          key: start,
          range_end: prefixEnd(prefix),
          limit: Math.max(1, Math.min(PAGE_LIMIT, limit - kvs.length)),
          keys_only: keysOnly,
          ...(revision !== undefined && { revision: String(revision) }),
        },
        repeat,
      );
      revision ??= range.revision;
      for (const kv of range.kvs) kvs.push(kv);
      const last = range.kvs.at(-1);
      if (!range.more || last === undefined || kvs.length >= limit) return { kvs: kvs.slice(0, limit), revision };
      start = keyAfter(last.key);
    }
  }

  #range(what: string, request: IRangeRequest, repeat: RepeatOptions = {}): Promise<Range> {
    const call = async ({ raw }: Member, ms: number): Promise<Range> => {
      const answer = await raw.kv.range(request, within(ms));
      return {
        kvs: answer.kvs.map(toKeyValue),
        more: answer.more,
        revision: BigInt(answer.header.revision),
      };
    };
    return this.#repeat(what, call, repeat);
  }
}
