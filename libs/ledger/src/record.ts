// Records of etcd in and out of bytes, and the compares that a write makes of what was read. Every record carries a version; one
// that this program does not know is refused, never read as if it were known.
import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ChangeOp, Compare, KeyValue, Revision } from "@sheaf/etcd";
import { type Clock, internal } from "@sheaf/runtime";

/** Version of every record that this program writes. It reads no other. */
export const RECORD_VERSION = 1;

/** etcd values stay below this; what is bigger is an object. */
export const RECORD_BYTES_MAX = 8 * 1024;

type Recorded = Message & { version: number };

/** A record as it was read, with the revisions that a write compares. */
export interface Kept<R> {
  readonly key: string;
  readonly record: R;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
}

export function readRecord<R extends Recorded>(schema: GenMessage<R>, kv: KeyValue): Kept<R> {
  const record = fromBinary(schema, kv.value) as R;
  if (record.version !== RECORD_VERSION) {
    throw internal(
      "RECORD_VERSION",
      `${kv.key} has version ${record.version}; this program reads version ${RECORD_VERSION}`,
    );
  }
  return { key: kv.key, record, createRevision: kv.createRevision, modRevision: kv.modRevision };
}

/** As `readRecord`; null for an absent key. */
export function readRecordOrNull<R extends Recorded>(
  schema: GenMessage<R>,
  kv: KeyValue | null | undefined,
): Kept<R> | null {
  return kv == null ? null : readRecord(schema, kv);
}

export function writeRecord<R extends Recorded>(schema: GenMessage<R>, record: R): Uint8Array {
  const bytes = toBinary(schema, record);
  if (bytes.length <= RECORD_BYTES_MAX) return bytes;
  throw internal(
    "RECORD_TOO_BIG",
    `a ${schema.name} of ${bytes.length} bytes: at most ${RECORD_BYTES_MAX} go into etcd`,
  );
}

/** "Nobody has changed it since I read it." */
export function unchanged(kept: { readonly key: string; readonly modRevision: Revision }): Compare {
  return { key: kept.key, target: "mod", is: kept.modRevision };
}

/** "It still is the one that I read": puts do not matter, a delete does. */
export function same(kept: { readonly key: string; readonly createRevision: Revision }): Compare {
  return { key: kept.key, target: "create", is: kept.createRevision };
}

export function absent(key: string): Compare {
  return { key, target: "create", is: 0n };
}

export function put<R extends Recorded>(key: string, schema: GenMessage<R>, record: R): ChangeOp {
  return { put: key, value: writeRecord(schema, record) };
}

export function nowStamp(clock: Clock): Timestamp {
  return timestampFromMs(Math.floor(clock.wall()));
}
