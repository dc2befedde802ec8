import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ObjectSource } from "../store.ts";
import { PartCutter } from "./part-cutter.ts";

async function partsOf(source: ObjectSource, size: number): Promise<Uint8Array[]> {
  const cutter = new PartCutter(source);
  const parts: Uint8Array[] = [];
  for (;;) {
    const { bytes, last } = await cutter.take(size);
    parts.push(bytes);
    if (last) return parts;
  }
}

/** One buffer for all pieces, as a reader of files may have. */
async function* streamOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.max(0, ...pieces.map(({ length }) => length)));
  for (const piece of pieces) {
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
    buffer.fill(255);
  }
}

describe("PartCutter", () => {
  it("gives full parts and a last one, whatever the pieces are", async () => {
    const piece = fc.uint8Array({ maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.integer({ min: 1, max: 10 }), async (pieces, size) => {
        const whole = Buffer.concat(pieces);
        for (const source of [whole, pieces, streamOf(pieces)]) {
          const parts = await partsOf(source, size);
          assert.ok(whole.equals(Buffer.concat(parts)));
          assert.equal(parts.length, Math.max(1, Math.ceil(whole.length / size)));
          for (const part of parts.slice(0, -1)) assert.equal(part.length, size);
        }
      }),
    );
  });

  it("copies nothing of what the caller keeps, when a part is within one piece", async () => {
    const bytes = new Uint8Array(10);
    for (const part of await partsOf(bytes, 5)) assert.equal(part.buffer, bytes.buffer);
    const [first] = await partsOf([bytes, bytes], 10);
    assert.equal(first?.buffer, bytes.buffer);
  });
});
