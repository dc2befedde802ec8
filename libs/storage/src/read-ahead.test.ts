import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { readAhead } from "./read-ahead.ts";

const MIB = 1024 * 1024;
const SIZE = 5 * MIB + 3;

let folder: string;
let file: string;
const bytes = Buffer.alloc(SIZE);
for (let at = 0; at < SIZE; at += MIB / 2) bytes.fill(`${at} and more `, at, Math.min(SIZE, at + MIB / 2));

before(() => {
  folder = mkdtempSync(join(tmpdir(), "sheaf-read-ahead-"));
  file = join(folder, "file");
  writeFileSync(file, bytes);
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function read(from: number, to: number, each = () => {}): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of readAhead(file, from, to)) {
    pieces.push(Buffer.from(piece)); // its memory is used again
    each();
  }
  return Buffer.concat(pieces);
}

it("gives any range, whose last piece may be short", async () => {
  for (const [from, to] of [
    [0, SIZE],
    [7, 8],
    [1, MIB],
    [MIB - 1, 3 * MIB + 1],
    [SIZE - 1, SIZE],
  ] as const)
    assert.ok((await read(from, to)).equals(bytes.subarray(from, to)), `${from} to ${to}`);
});

it("uses two buffers, however long the range", async () => {
  const buffers = new Set<ArrayBufferLike>();
  for await (const piece of readAhead(file, 0, SIZE)) buffers.add(piece.buffer);
  assert.equal(buffers.size, 2);
});

it("ends where the file ends, though it has become shorter meanwhile", async () => {
  const got = await read(0, SIZE, () => truncateSync(file, 2 * MIB + 5));
  writeFileSync(file, bytes);
  assert.ok(got.length >= MIB && got.length < SIZE);
});

it("keeps nothing open, whether it was read to its end, left, or never begun", async () => {
  for await (const piece of readAhead(file, 0, SIZE)) if (piece.length > 0) break;
  await readAhead(file, 0, SIZE).return();
  await read(0, SIZE);
  await assert.rejects(readAhead(join(folder, "none"), 0, 1).next(), { code: "ENOENT" });
  const open = readdirSync("/proc/self/fd").filter((fd) => linkOf(fd) === file);
  assert.deepEqual(open, []);
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the one that listed them
  }
}
