// The same request id gives the same answer for 24 h. The answer is put in the very transaction that does the work, so there
// is never work without its answer, nor an answer without its work.

import { createHash } from "node:crypto";
import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { ChangeOp, Compare, Revision } from "@sheaf/etcd";
import { absent, readRecordOrNull, writeRecord } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import { alreadyExists, unavailable } from "@sheaf/runtime";
import type { World } from "../context.ts";

/** One lease serves all requests of an hour: etcd would not like one for each. */
const LEASE_SECONDS = 25 * 3_600;
const LEASE_AGE_MS = 3_600_000;

/** A request with an id, and what tells it from others with the same id. */
export interface Identified {
  readonly id: string;
  readonly sha256: Uint8Array;
}

export interface Earlier<R> {
  readonly response: R;
  readonly revision: Revision;
}

export interface AnswerWrite {
  readonly compare: readonly Compare[];
  readonly then: readonly ChangeOp[];
}

export class Requests {
  readonly #world: World;
  #lease: { readonly id: Promise<string>; readonly atMs: number } | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** The answer to an earlier call with this id; null when there is none. Throws ALREADY_EXISTS when it was another request. */
  async earlier<R extends Message>(request: Identified, schema: GenMessage<R>): Promise<R | null> {
    return (await this.earlierAt(request, schema))?.response ?? null;
  }

  /** The same with the revision of the transaction that did the work. */
  async earlierAt<R extends Message>(request: Identified, schema: GenMessage<R>): Promise<Earlier<R> | null> {
    if (request.id === "") return null;
    const { etcd } = this.#world;
    const kept = readRecordOrNull(state.RequestRecordSchema, await etcd.get(this.#key(request)));
    if (kept === null) return null;
    if (Buffer.compare(kept.record.requestSha256, request.sha256) !== 0) {
      throw alreadyExists(
        "REQUEST_ID_REUSED",
        `request_id "${request.id}" was used for another request in the last 24 h: use a new one`,
      );
    }
    return { response: fromBinary(schema, kept.record.response) as R, revision: kept.modRevision };
  }

  /** What the transaction that does the work adds, so that its answer is kept. Nothing for a request without an id. */
  async keep<R extends Message>(request: Identified, schema: GenMessage<R>, response: R): Promise<AnswerWrite> {
    if (request.id === "") return { compare: [], then: [] };
    const key = this.#key(request);
    const record = create(state.RequestRecordSchema, {
      version: 1,
      requestSha256: request.sha256,
      response: toBinary(schema, response),
    });
    const put = { put: key, value: writeRecord(state.RequestRecordSchema, record), lease: await this.#leaseId() };
    return { compare: [absent(key)], then: [put] };
  }

  /** The lease is gone (etcd was restored from a backup, say): the next call grants another. */
  leaseGone(): Error {
    this.#lease = undefined;
    return unavailable("REQUEST_LEASE_GONE", "etcd has lost a lease: repeat the call", { retryDelayMs: 100 });
  }

  /** An id is any text; a key is not. */
  #key({ id }: Identified): string {
    return this.#world.keys.request(createHash("sha256").update(id).digest("hex"));
  }

  #leaseId(): Promise<string> {
    const { clock } = this.#world;
    if (this.#lease === undefined || clock.now() - this.#lease.atMs > LEASE_AGE_MS) {
      this.#lease = { id: this.#grant(), atMs: clock.now() };
      this.#lease.id.catch(() => {
        this.#lease = undefined;
      });
    }
    return this.#lease.id;
  }

  async #grant(): Promise<string> {
    const lease = await this.#world.etcd.grantLease(LEASE_SECONDS);
    lease.stop(); // it is to end by itself
    return lease.id;
  }
}

/** Identifies a unary request: its method and all of its bytes. */
export function identified<R extends Message>(
  method: string,
  id: string,
  schema: GenMessage<R>,
  request: R,
): Identified {
  const hash = createHash("sha256").update(method).update("\n");
  return { id, sha256: hash.update(toBinary(schema, request)).digest() };
}
