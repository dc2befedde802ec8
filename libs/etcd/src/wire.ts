/** From our types to etcd3's raw requests, and back. Keys are text, revisions bigint, values plain bytes. */
import type { ICompare, IKeyValue, IRequestOp, IResponseOp, ITxnRequest } from "etcd3";
import type { Compare, KeyValue, Op, Txn } from "./etcd.ts";

export function keyBytes(key: string): Buffer {
  return Buffer.from(key, "utf8");
}

/** The first key behind all keys that begin with `prefix`. */
export function prefixEnd(prefix: string): Buffer {
  const end = keyBytes(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] ?? 0xff;
    if (byte < 0xff) {
      end[i] = byte + 1;
      return end.subarray(0, i + 1);
    }
  }
  // An empty prefix, or one of 0xff only: to the end of the store.
  return Buffer.from([0]);
}

/** The first key behind `key`. */
export function keyAfter(key: string): Buffer {
  return Buffer.concat([keyBytes(key), Buffer.from([0])]);
}

/** Copies the value: a view of it would keep the whole response in memory. */
export function toKeyValue(kv: IKeyValue): KeyValue {
  return {
    key: kv.key.toString("utf8"),
    value: Uint8Array.from(kv.value),
    createRevision: BigInt(kv.create_revision),
    modRevision: BigInt(kv.mod_revision),
    version: BigInt(kv.version),
    lease: kv.lease,
  };
}

export function toTxnRequest(txn: Txn): ITxnRequest {
  return {
    compare: txn.compare.map(toCompare),
    success: txn.then.map(toRequestOp),
    failure: (txn.else ?? []).map(toRequestOp),
  };
}

/** What the gets of a branch read, in their order. */
export function readsOf(ops: readonly Op[], responses: readonly IResponseOp[]): (KeyValue | null)[] {
  return ops.flatMap((op, i) => {
    if (!("get" in op)) return [];
    const kv = responses[i]?.response_range.kvs[0];
    return [kv === undefined ? null : toKeyValue(kv)];
  });
}

function toCompare(compare: Compare): ICompare {
  const key = keyBytes(compare.key);
  switch (compare.target) {
    case "create":
      return { key, result: "Equal", target: "Create", create_revision: String(compare.is) };
    case "mod":
      return { key, result: "Equal", target: "Mod", mod_revision: String(compare.is) };
    case "value":
      return { key, result: "Equal", target: "Value", value: Buffer.from(compare.is) };
  }
}

function toRequestOp(op: Op): IRequestOp {
  if ("put" in op) {
    return {
      request_put: { key: keyBytes(op.put), value: Buffer.from(op.value), lease: op.lease ?? "0" },
    };
  }
  if ("delete" in op) return { request_delete_range: { key: keyBytes(op.delete) } };
  if ("deletePrefix" in op) {
    return {
      request_delete_range: {
        key: keyBytes(op.deletePrefix),
        range_end: prefixEnd(op.deletePrefix),
      },
    };
  }
  return { request_range: { key: keyBytes(op.get) } };
}
