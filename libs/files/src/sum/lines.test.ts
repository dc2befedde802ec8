import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkSum, wholeLines } from "./lines.ts";

test("good files", () => {
  for (const text of [
    "",
    "a\t1\n",
    "a\t1",
    "\t1\n",
    "a b\t-1.5\n\u0001\t+3\n",
    "é\t12345678901234567890\n",
    "a\t0.5\nb\t.5",
  ]) {
    assert.equal(checkSum(Buffer.from(text)), null, JSON.stringify(text));
  }
  assert.equal(checkSum(Buffer.from([0xff, 0, 9, 0x31, 10])), null);
});

test("the first bad line is named, with what is wrong", () => {
  const bad: [text: string, line: number, detail: RegExp][] = [
    ["a\n", 1, /no TAB: "a"/],
    ["\n", 1, /no TAB: ""/],
    ["a\t1\n\nb\t2\n", 2, /no TAB/],
    ["a\t1\nb\t2\nc", 3, /no TAB: "c"/],
    ["a\tx\n", 1, /not a number: "a\\tx"/],
    ["a\t\n", 1, /not a number/],
    ["a\t1e5\n", 1, /not a number/],
    ["a\t1 \n", 1, /not a number/],
    ["a\t1\r\n", 1, /not a number/],
    ["a\tb\t1\n", 1, /more than one TAB/],
    ["a\t1\nb 2\nc\t3\n", 2, /no TAB: "b 2"/],
    [`${"k".repeat(70_000)}\t1\n`, 1, /longer than 65536/],
    [`a\t${"1".repeat(2_000)}\n`, 1, /not a number/],
  ];
  for (const [text, line, detail] of bad) {
    for (const source of [Buffer.from(text), () => pieces(text, 3), () => pieces(text, 100_000)]) {
      const fault = checkSum(source);
      assert.equal(fault?.line, line, JSON.stringify(text.slice(0, 50)));
      assert.match(fault?.detail ?? "", detail);
    }
  }
});

test("a line that never ends does not fill the memory", () => {
  let given = 0;
  function* endless(): Generator<Uint8Array> {
    for (; given < 10_000; given++) yield Buffer.alloc(10_000, 0x61);
  }
  assert.match(checkSum(endless)?.detail ?? "", /longer/);
  assert.ok(given < 20);
});

test("blocks are whole lines, wherever the pieces end", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "\n", "\t", "1"), maxLength: 40 });
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 10 }), (whole, size) => {
      // One buffer for all pieces: a reader that keeps what it was given would see it change.
      const blocks: string[] = [];
      for (const block of wholeLines(() => reused(whole, size))) blocks.push(Buffer.from(block).toString());
      for (const block of blocks) assert.ok(block.endsWith("\n"));
      assert.equal(blocks.join(""), whole === "" || whole.endsWith("\n") ? whole : `${whole}\n`);
    }),
  );
});

function* pieces(text: string, size: number): Generator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function* reused(text: string, size: number): Generator<Uint8Array> {
  const buffer = Buffer.alloc(size);
  for (const piece of pieces(text, size)) {
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
    buffer.fill(0x7a);
  }
}
