// Files of whole segments of a usual size, in a store that is a folder: as most large files are.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { store } from "@sheaf/proto";
import { resourceExhausted } from "@sheaf/runtime";
import { localStore, memoryStore, type Store } from "@sheaf/storage";
import { hex } from "../bytes.ts";
import { HashThreads } from "../hashing/hash-threads.ts";
import { packKey } from "../object.ts";
import { type PackLimits, PackWriter } from "./pack-writer.ts";
import { type SegmentReader, segmentReader } from "./segment-reader.ts";

const MIB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), "sheaf-large-files-"));
const content = randomBytes(85 * MIB + 7);
const path = join(folder, "file");
writeFileSync(path, content);
const fd = openSync(path, "r");
const threads = new HashThreads();
const target = localStore(join(folder, "store"));
after(async () => {
  await target.close();
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

async function added(to: Store = target, limits?: PackLimits): Promise<store.Segment[]> {
  const pack = new PackWriter(to, limits);
  const { segments } = await pack.addFile(fd, content.length, threads);
  await pack.close();
  return segments;
}

/** Hash of the bytes that are lent; looked at only while they are. */
async function lent(reader: SegmentReader, segments: readonly store.Segment[]): Promise<Buffer> {
  const all = Buffer.alloc(content.length);
  let at = 0;
  for await (const piece of reader.lend(segments)) {
    all.set(piece, at);
    at += piece.length;
  }
  return all.subarray(0, at);
}

test("a file that is read by threads is stored as one that comes in pieces", async () => {
  for (const [size, segmentBytes] of [
    [content.length, undefined],
    [4 * MIB, MIB],
    [4 * MIB + 1, MIB],
    [MIB - 1, MIB],
    [0, MIB],
  ] as const) {
    const limits = segmentBytes === undefined ? {} : { segmentBytes };
    const [one, two] = [memoryStore(), memoryStore()];
    const [read, streamed] = [new PackWriter(one, limits), new PackWriter(two, limits)];
    const content1 = await read.addFile(fd, size, threads);
    const content2 = await streamed.addStream([content.subarray(0, size)]);
    await read.close();
    await streamed.close();
    assert.deepEqual(content1, content2);
    assert.equal(read.bytes, size);
    assert.deepEqual(read.packs.map(hex), streamed.packs.map(hex));
    for (const pack of read.packs) assert.deepEqual(await one.get(packKey(pack)), await two.get(packKey(pack)));
  }
});

/** What a copy of the segments holds. */
async function copied(reader: SegmentReader, segments: readonly store.Segment[]): Promise<Buffer> {
  const copy = join(folder, "copy");
  const to = openSync(copy, "w");
  try {
    const bytes = await reader.copy(segments, to);
    assert.equal(
      bytes,
      segments.reduce((sum, { length }) => sum + length, 0),
    );
    return readFileSync(copy);
  } finally {
    closeSync(to);
  }
}

test("a copy is what was stored, with threads and without, of small segments and large", async () => {
  const large = await added();
  const mixed = await added(target, { segmentBytes: 3 * MIB });
  const elsewhere = memoryStore();
  for (const [reader, segments] of [
    [segmentReader(target, { threads }), large],
    [segmentReader(target), large],
    [segmentReader(target, { threads }), mixed],
    [segmentReader(elsewhere, { threads }), await added(elsewhere)],
  ] as const)
    assert.ok((await copied(reader, segments)).equals(content));
  assert.equal((await copied(segmentReader(target, { threads }), [])).length, 0);
});

test("a copy that finds no room says so, wherever it was written", async () => {
  const segments = await added();
  const full = openSync("/dev/full", "w");
  for (const reader of [segmentReader(target, { threads }), segmentReader(target)])
    await assert.rejects(() => reader.copy(segments, full), { code: "ENOSPC" });
  closeSync(full);
  assert.ok((await copied(segmentReader(target, { threads }), segments)).equals(content));
});

test("a file that has become shorter is stored as it is", async () => {
  const short = join(folder, "short");
  writeFileSync(short, content.subarray(0, 40 * MIB));
  const open = openSync(short, "r+");
  ftruncateSync(open, 20 * MIB);
  const pack = new PackWriter(target);
  const { size, segments } = await pack.addFile(open, 40 * MIB, threads);
  closeSync(open);
  await pack.close();
  assert.equal(size, BigInt(20 * MIB));
  assert.ok((await lent(segmentReader(target, { threads }), segments)).equals(content.subarray(0, 20 * MIB)));
});

test("what is lent is what was stored; several that read at a time all come to their end", async () => {
  const segments = await added();
  const reader = segmentReader(target, { threads });
  for (const bytes of await Promise.all([1, 2, 3, 4, 5].map(() => lent(reader, segments))))
    assert.ok(bytes.equals(content));
});

test("who stops in the middle gives back what was lent", async () => {
  const segments = await added();
  const reader = segmentReader(target, { threads });
  for (let i = 0; i < 10; i++) for await (const piece of reader.lend(segments)) if (piece.length > 0) break;
  assert.ok((await lent(reader, segments)).equals(content));
});

test("damage and loss of a large segment are DATA_LOSS, with pack and offset, and cost no memory", async () => {
  const segments = await added();
  const reader = segmentReader(target, { threads });
  const key = packKey(segments[3]?.pack as Uint8Array);
  const file = target.localPath(key) as string;
  const whole = readFileSync(file);
  const change = (bytes: Uint8Array) => {
    chmodSync(file, 0o644);
    writeFileSync(file, bytes);
  };
  const damaged = Buffer.from(whole);
  damaged[9 * MIB] = (damaged[9 * MIB] as number) ^ 1;
  for (const bytes of [damaged, whole.subarray(0, whole.length - 1)]) {
    change(bytes);
    for (let i = 0; i < 5; i++) {
      let pieces = 0;
      await assert.rejects(
        async () => {
          for await (const _ of reader.lend(segments)) pieces++;
        },
        { code: "DATA_LOSS", reason: "OBJECT_CORRUPT", message: new RegExp(`${key}.* at 0 `) },
      );
      assert.equal(pieces, 3);
      await assert.rejects(() => copied(reader, segments), {
        reason: "OBJECT_CORRUPT",
        message: new RegExp(`${key}.* at 0 `),
      });
    }
  }
  await target.delete(key);
  await assert.rejects(() => lent(reader, segments), { code: "DATA_LOSS", reason: "OBJECT_MISSING" });
  await assert.rejects(() => copied(reader, segments), { code: "DATA_LOSS", reason: "OBJECT_MISSING" });
  await target.put(key, whole);
  assert.ok((await lent(reader, segments)).equals(content));
});

test("a store that fills up in the middle fails the file, and gets its memory back", async () => {
  for (let full = 0; full < 5; full++) {
    let puts = 0;
    const filling: Store = {
      ...memoryStore(),
      put: async () => {
        if (puts++ < full) return "created";
        throw resourceExhausted("STORE_FULL", "full");
      },
    };
    await assert.rejects(() => added(filling), { reason: "STORE_FULL" });
  }
  assert.ok((await lent(segmentReader(target, { threads }), await added())).equals(content));
});
