/** Bytes: hashes, hex, order. */
import { createHash, hash } from "node:crypto";

const UTF8 = new TextEncoder();

export const NO_BYTES: Uint8Array = new Uint8Array(0);

export function utf8(text: string): Uint8Array {
  return UTF8.encode(text);
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash("sha256", bytes, "buffer"));
}

/** The hash of pieces that are one content. */
export function sha256Of(pieces: Iterable<Uint8Array>): Uint8Array {
  const digest = createHash("sha256");
  for (const piece of pieces) digest.update(piece);
  return new Uint8Array(digest.digest());
}

export function hex(bytes: Uint8Array): string {
  return buffer(bytes).toString("hex");
}

/** The same bytes with the methods of Buffer; no copy. */
export function buffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A copy in memory of its own. (The `slice` of a Buffer is only a view.) */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
