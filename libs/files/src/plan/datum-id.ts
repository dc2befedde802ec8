/** The identity of a piece of work. */
import { createHash, type Hash } from "node:crypto";
import type { store } from "@sheaf/proto";

/**
 * SHA-256, in hex, over pipeline name, salt and, per input, name, path and the files' paths and hashes. Every text is
 * preceded by its length in bytes and every list by its number of items, so that no two pieces of work run together.
 */
export function datumId(pipeline: string, salt: string, inputs: readonly store.DatumInput[]): string {
  const digest = createHash("sha256");
  addText(digest, pipeline);
  addText(digest, salt);
  addNumber(digest, inputs.length);
  for (const input of inputs) {
    addText(digest, input.name);
    addText(digest, input.path);
    addNumber(digest, input.files.length);
    for (const file of input.files) {
      addText(digest, file.path);
      digest.update(file.hash);
    }
  }
  return digest.digest("hex");
}

function addText(digest: Hash, text: string): void {
  addNumber(digest, Buffer.byteLength(text));
  digest.update(text);
}

function addNumber(digest: Hash, value: number): void {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  digest.update(bytes);
}
