// The records of the ledgers and their owners: what stands in etcd under ledgers/, owners/, merge-owners/ and workers/.

import { create, fromBinary } from "@bufbuild/protobuf";
import type { KeyValue } from "@sheaf/etcd";
import { dispatch, state, store } from "@sheaf/proto";
import { internal } from "@sheaf/runtime";
import type { OpenTries } from "./core/attempts.ts";
import type { DoneInterval, LedgerKind } from "./door.ts";
import { RECORD_VERSION, readRecord, writeRecord } from "./record.ts";

export const WORK_KIND = {
  plan: store.WorkKind.PLAN,
  process: store.WorkKind.PROCESS,
  merge: store.WorkKind.MERGE,
} as const satisfies Record<LedgerKind, store.WorkKind>;

/** The kind of ledger that a message names; null: none that this program knows. */
export function ledgerKindOf(kind: store.WorkKind): LedgerKind | null {
  if (kind === store.WorkKind.PLAN) return "plan";
  if (kind === store.WorkKind.PROCESS) return "process";
  return kind === store.WorkKind.MERGE ? "merge" : null;
}

export function encodeOwner(replica: string, nonce: string): Uint8Array {
  return writeRecord(
    state.OwnerRecordSchema,
    create(state.OwnerRecordSchema, { version: RECORD_VERSION, replica, nonce }),
  );
}

/** The nonce of an owner key's value, whatever version wrote it: it only tells our own writes from others'. */
export function ownerNonce(value: Uint8Array): string {
  return fromBinary(state.OwnerRecordSchema, value).nonce;
}

export function encodeMeta({
  n,
  input,
  pipeline,
}: {
  n: number;
  input: store.ObjectRef;
  pipeline: string;
}): Uint8Array {
  const record = create(state.LedgerMetaSchema, { version: RECORD_VERSION, n: BigInt(n), input, pipeline });
  return writeRecord(state.LedgerMetaSchema, record);
}

export function decodeMeta(kv: KeyValue): { n: number; input: store.ObjectRef } {
  const { n, input } = readRecord(state.LedgerMetaSchema, kv).record;
  if (input === undefined) throw internal("RECORD_BROKEN", `${kv.key} names no input`);
  return { n: Number(n), input };
}

/** A claim as etcd holds it; `attempt` tells one's own write from another's. */
export interface ClaimValue {
  readonly worker: string;
  readonly attempt: string;
  readonly start: number;
  readonly end: number;
}

export function encodeClaim({ worker, attempt, start, end }: ClaimValue): Uint8Array {
  const record = { version: RECORD_VERSION, worker, attempt, start: BigInt(start), end: BigInt(end) };
  return writeRecord(state.ClaimRecordSchema, create(state.ClaimRecordSchema, record));
}

export function decodeClaim(kv: KeyValue): ClaimValue {
  const { worker, attempt, start, end } = readRecord(state.ClaimRecordSchema, kv).record;
  return { worker, attempt, start: Number(start), end: Number(end) };
}

export function encodeDone(done: DoneInterval): Uint8Array {
  const { end, result, attempt, worker, fence, totals } = done;
  const record = { version: RECORD_VERSION, end: BigInt(end), result, attempt, worker, fence, totals };
  return writeRecord(state.DoneRecordSchema, create(state.DoneRecordSchema, record));
}

export function decodeDone(start: number, kv: KeyValue): DoneInterval {
  const { end, result, attempt, worker, fence, totals } = readRecord(state.DoneRecordSchema, kv).record;
  if (result === undefined || totals === undefined) throw internal("RECORD_BROKEN", `${kv.key} names no result`);
  return { start, end: Number(end), result, attempt, worker, fence, totals };
}

export function encodeFailure({ tries, lostWorkers }: OpenTries): Uint8Array {
  const record = create(state.FailureRecordSchema, { version: RECORD_VERSION, tries, lostWorkers: [...lostWorkers] });
  return writeRecord(state.FailureRecordSchema, record);
}

export function decodeFailure(kv: KeyValue): OpenTries {
  const { tries, lostWorkers } = readRecord(state.FailureRecordSchema, kv).record;
  return { tries, lostWorkers };
}

export function encodeWorker(worker: { slots: number; programVersion: string; startedMs: number }): Uint8Array {
  const { slots, programVersion, startedMs } = worker;
  const started = { seconds: BigInt(Math.floor(startedMs / 1_000)), nanos: 0 };
  const record = create(state.WorkerRecordSchema, { version: RECORD_VERSION, slots, programVersion, started });
  return writeRecord(state.WorkerRecordSchema, record);
}

const SUMMED = [
  "succeeded",
  "failed",
  "skipped",
  "recovered",
  "downloadBytes",
  "uploadBytes",
  "downloadMs",
  "processMs",
  "uploadMs",
  "outputBytes",
  "backups",
] as const satisfies readonly (keyof dispatch.Totals)[];

/** Adds `more` to `sum`; the first failure is the one with the lowest index. */
export function addTotals(sum: dispatch.Totals, more: dispatch.Totals): void {
  if (more.failed > 0n && (sum.failed === 0n || more.firstFailed < sum.firstFailed)) {
    sum.firstFailed = more.firstFailed;
    sum.firstFailedMessage = more.firstFailedMessage;
  }
  for (const field of SUMMED) sum[field] += more[field];
}

/** The sum over intervals; those that say nothing count as nothing. */
export function sumTotals(parts: Iterable<dispatch.Totals | undefined>): dispatch.Totals {
  const sum = create(dispatch.TotalsSchema);
  for (const part of parts) if (part !== undefined) addTotals(sum, part);
  return sum;
}
