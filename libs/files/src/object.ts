/**
 * Whole messages as objects. The key is "<kind>/<sha256 in hex>", so that what is read can be checked against its name,
 * and a writer that repeats itself writes the same object.
 */
import { webcrypto } from "node:crypto";
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { dataLoss } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { hex, sameBytes, sha256 } from "./bytes.ts";

/** What an object is; the first part of its key. */
export type ObjectKind =
  | "packs"
  | "runs"
  | "indexes"
  | "plans"
  | "commits"
  | "work"
  | "runlists"
  | "cuts"
  | "merged"
  | "archives";

export function packKey(pack: Uint8Array): string {
  return `packs/${hex(pack)}`;
}

/** Stores the message; durable when it returns. */
export async function putMessage<Desc extends DescMessage>(
  target: Store,
  kind: ObjectKind,
  schema: Desc,
  message: MessageShape<Desc>,
): Promise<store.ObjectRef> {
  return putObject(target, kind, toBinary(schema, message));
}

export async function putObject(target: Store, kind: ObjectKind, bytes: Uint8Array): Promise<store.ObjectRef> {
  const key = `${kind}/${hex(sha256(bytes))}`;
  await target.put(key, bytes);
  return create(store.ObjectRefSchema, { key, size: BigInt(bytes.length) });
}

/** Reads the message back. Throws DATA_LOSS OBJECT_CORRUPT when the bytes are not those that the key names. */
export async function getMessage<Desc extends DescMessage>(
  source: Store,
  schema: Desc,
  ref: store.ObjectRef,
): Promise<MessageShape<Desc>> {
  return decode(schema, await getObject(source, ref), ref.key);
}

export async function getObject(source: Store, ref: store.ObjectRef): Promise<Uint8Array> {
  const bytes = await source.get(ref.key);
  const name = ref.key.slice(ref.key.lastIndexOf("/") + 1);
  if (BigInt(bytes.length) !== ref.size || hex(sha256(bytes)) !== name)
    throw corrupt(ref.key, "its bytes are not those that its name stands for");
  return bytes;
}

/** Unpacks stored bytes whose hash was right; what fails then was written by something else. */
export function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array, key: string): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw corrupt(key, `it is not a ${schema.typeName}`, cause);
  }
}

/** What was read is not what was stored. */
export function corrupt(key: string, detail: string, cause?: unknown): Error {
  return dataLoss("OBJECT_CORRUPT", `the object ${key} is damaged: ${detail}`, {
    cause,
    metadata: { object: key },
  });
}

/** Throws OBJECT_CORRUPT unless the bytes have this hash. */
export function verify(bytes: Uint8Array, expected: Uint8Array, key: string, offset: number | bigint): void {
  checkHash(sha256(bytes), expected, bytes, key, offset);
}

/** The same on another thread, for many bytes. */
export async function verifyElsewhere(
  bytes: Uint8Array,
  expected: Uint8Array,
  key: string,
  offset: number,
): Promise<void> {
  const hash = await webcrypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  checkHash(new Uint8Array(hash), expected, bytes, key, offset);
}

/** The same where the hash of the bytes is known. */
export function checkHash(
  hash: Uint8Array,
  expected: Uint8Array,
  bytes: { readonly length: number },
  key: string,
  offset: number | bigint,
): void {
  if (sameBytes(hash, expected)) return;
  throw corrupt(key, `the ${bytes.length} bytes at ${offset} do not have the hash that was recorded`);
}

/**
 * A whole message named as a table: its footer is all of it. So that plans and merge results, too, can be named in a
 * commit, whose `result` is a TableRef.
 */
export function messageTableRef(ref: store.ObjectRef): store.TableRef {
  const name = ref.key.slice(ref.key.lastIndexOf("/") + 1);
  return create(store.TableRefSchema, {
    object: ref,
    footerSize: Number(ref.size),
    footerSha256: new Uint8Array(Buffer.from(name, "hex")),
  });
}

/** The object behind `messageTableRef`. */
export function objectOf(table: store.TableRef): store.ObjectRef {
  if (table.object === undefined) throw dataLoss("REFERENCE_INVALID", "a table reference names no object");
  return table.object;
}
