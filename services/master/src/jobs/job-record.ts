// Changes of a job's record: each a new record made of the old one. The pure half of a write.

import { clone } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { api, type dispatch, state, type store } from "@sheaf/proto";

/** Bytes of a record's message (the contract's limit). */
const MESSAGE_BYTES_MAX = 2 * 1024;

type Fields = Partial<Omit<state.JobRecord, "$typeName" | "$unknown">>;

function changed(record: state.JobRecord, fields: Fields): state.JobRecord {
  return Object.assign(clone(state.JobRecordSchema, record), fields);
}

/** `input`: what the plan ledger works from; `earlier`: the jobs whose results it names. */
export function toPlanning(
  record: state.JobRecord,
  fixed: { readonly input: store.ObjectRef; readonly earlier: string[] },
): state.JobRecord {
  return changed(record, { state: api.JobState.PLANNING, ...fixed });
}

export function toProcessing(record: state.JobRecord, plan: store.ObjectRef, datums: bigint): state.JobRecord {
  return changed(record, { state: api.JobState.PROCESSING, plan, datums });
}

export function withStart(record: state.JobRecord, startedMs: number | undefined): state.JobRecord {
  if (record.started !== undefined || startedMs === undefined) return record;
  return changed(record, { started: timestampFromMs(startedMs) });
}

export interface MergeFixed {
  readonly runs: store.ObjectRef;
  /** Empty when the output branch has no commit. */
  readonly parentCommit: string;
  readonly totals: dispatch.Totals;
  readonly workersMax: number;
  /** Of what the result will lack; empty when it lacks nothing. */
  readonly reason: string;
  readonly message: string;
}

export function toMerging(record: state.JobRecord, fixed: MergeFixed): state.JobRecord {
  return changed(record, { state: api.JobState.MERGING, ...fixed });
}

export interface Ended {
  readonly state: api.JobState;
  readonly reason: string;
  readonly message: string;
}

export function toEnd(record: state.JobRecord, ended: Ended, nowMs: number, totals?: dispatch.Totals): state.JobRecord {
  const message = cutTo(ended.message, MESSAGE_BYTES_MAX);
  const fields = { state: ended.state, reason: ended.reason, message, finished: timestampFromMs(nowMs) };
  return changed(record, { ...fields, totals: record.totals ?? totals });
}

export function toArchived(
  record: state.JobRecord,
  archive: store.ObjectRef,
  totals: dispatch.Totals,
): state.JobRecord {
  return changed(record, { archive, totals: record.totals ?? totals });
}

function cutTo(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text.toWellFormed());
  if (bytes.length <= bytesMax) return text.toWellFormed();
  // A character that was cut in two would not be valid UTF-8.
  const cut = bytes
    .subarray(0, bytesMax - 3)
    .toString()
    .replace(/\uFFFD+$/, "");
  return `${cut}...`;
}
