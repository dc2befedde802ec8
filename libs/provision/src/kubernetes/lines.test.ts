import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "@sheaf/runtime";
import { readLines } from "./lines.ts";

async function* chunks(...parts: (string | Buffer)[]): AsyncIterable<Buffer> {
  for (const part of parts) yield Buffer.from(part as string);
}

async function read(parts: AsyncIterable<Buffer>, max = 1_000) {
  const values: unknown[] = [];
  const end = await readLines(parts, max, (value) => values.push(value));
  return { values, end };
}

describe("readLines()", () => {
  it("reads values however the stream is cut, also in the middle of a character", async () => {
    const random = seededRandom(7);
    const values = Array.from({ length: 50 }, (_, i) => ({ i, text: "ä€\n".repeat(random.int(5)) }));
    const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const next = at + 1 + random.int(9);
      parts.push(bytes.subarray(at, next));
      at = next;
    }
    assert.deepEqual(await read(chunks(...parts)), { values, end: { kind: "ended" } });
  });

  it("cuts a line without end, and a line that is no JSON, after what came before", async () => {
    assert.deepEqual(await read(chunks("1\n", "[".repeat(600), "[".repeat(600))), {
      values: [1],
      end: { kind: "broken", why: "a line of more than 1000 bytes" },
    });
    assert.deepEqual(await read(chunks("1\n<html>\n2\n")), {
      values: [1],
      end: { kind: "broken", why: "a line that is no JSON" },
    });
  });
});
