// Large files on their way in and out, when something goes wrong in the middle.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { fileEntry, HashThreads, PackWriter, segmentReader } from "@sheaf/files";
import { localStore, type Store } from "@sheaf/storage";
import { DatumFolders } from "../scratch/datum-folders.ts";
import { collect } from "./collector.ts";
import { download } from "./download.ts";
import { FifoPool } from "./lazy-files.ts";
import { upload } from "./upload.ts";

const MIB = 1024 * 1024;
const root = realpathSync(mkdtempSync(join(tmpdir(), "sheaf-large-")));
const target = localStore(join(root, "store"));
const threads = new HashThreads();
const content = randomBytes(100 * MIB + 5);
let count = 0;
after(async () => {
  await target.close();
  rmSync(root, { recursive: true });
});

/** One output, looked at. */
function output() {
  const pfs = join(root, String(count++), "pfs");
  const out = join(pfs, "out");
  mkdirSync(out, { recursive: true });
  const path = join(out, "large");
  writeFileSync(path, content);
  const collected = collect({ out, pfs });
  assert.ok(collected.ok);
  // Older kernels tell times of change by a clock that ticks every few milliseconds.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  return { path, files: collected.files };
}

/** The store; `onPut` is called before each put. */
function watched(source: Store, onPut: () => void): Store {
  return {
    ...{ url: source.url, near: source.near, close: async () => {}, localPath: () => null },
    put: (key, bytes) => {
      onPut();
      return source.put(key, bytes);
    },
    get: (key, range) => source.get(key, range),
    stream: (key, range) => source.stream(key, range),
    head: (key) => source.head(key),
    list: (prefix) => source.list(prefix),
    delete: (key) => source.delete(key),
  };
}

const notSum = () => false;

async function stored(to: Store = target) {
  const packs = new PackWriter(to);
  const uploaded = await upload(output().files, packs, notSum, threads);
  await packs.close();
  assert.ok(uploaded.ok);
  return uploaded.entries[0] as ReturnType<typeof fileEntry>;
}

function folders(at: string) {
  const datums = join(at, "datums");
  mkdirSync(datums);
  return {
    datum: new DatumFolders(datums, (folder, error) => assert.fail(`${folder}: ${error}`)).take(),
    fifos: new FifoPool(join(at, "fifos"), join(at, "files")),
  };
}

async function withDisk(context: TestContext, options: string, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
  if (status !== 0) return context.skip("no disk can be mounted here");
  try {
    await use(folder);
  } finally {
    spawnSync("umount", ["-l", folder]);
  }
}

test("a large file comes in as it went out", async () => {
  const entry = await stored();
  const at = join(root, String(count++));
  mkdirSync(at);
  const { datum, fifos } = folders(at);
  const files = [{ path: "in/large", entry, mode: "content" as const }];
  const done = await download(files, datum, segmentReader(target, { threads }), fifos);
  assert.deepEqual(done, { kind: "ready", bytes: content.length });
  assert.ok(readFileSync(join(datum.pfs, "in/large")).equals(content));
});

for (const [what, change] of [
  ["the begin, which has been read", 0],
  ["the end, which has not", content.length - 1],
] as const) {
  test(`a large output that is written to while it is stored is not taken: at ${what}`, async () => {
    const { path, files } = output();
    let isChanged = false;
    const changing = watched(target, () => {
      if (isChanged) return;
      isChanged = true;
      const fd = openSync(path, "r+");
      writeSync(fd, Buffer.from([1]), 0, 1, change);
      closeSync(fd);
    });
    const packs = new PackWriter(changing);
    const uploaded = await upload(files, packs, notSum, threads);
    await packs.close();
    assert.ok(isChanged && !uploaded.ok);
    assert.equal(uploaded.failure.reason, "OUTPUT_CHANGED");
  });
}

test("a large output is stored by the hash of its bytes, and nothing else", async () => {
  const names = (await stored()).segments.map(({ pack }) => Buffer.from(pack).toString("hex"));
  for (const name of new Set(names)) {
    const { stdout } = spawnSync("sha256sum", [target.localPath(`packs/${name}`) as string], { encoding: "utf8" });
    assert.equal(stdout.split(" ")[0], name);
  }
});

test("a store that fills up in the middle of a large output says so, and keeps no half of it", (context) =>
  withDisk(context, "size=40m", async (folder) => {
    const small = localStore(join(folder, "store"));
    const packs = new PackWriter(small);
    await assert.rejects(() => upload(output().files, packs, notSum, threads), { reason: "STORE_FULL" });
    await assert.rejects(() => packs.close(), { reason: "STORE_FULL" });
    assert.deepEqual(readdirSync(join(folder, "store", ".tmp")), []);
    await small.close();
    await stored();
  }));

test("a scratch disk that fills up in the middle of a large input says so, and the next input comes all the same", (context) =>
  withDisk(context, "size=40m", async (folder) => {
    const entry = await stored();
    const { datum, fifos } = folders(folder);
    const reader = segmentReader(target, { threads });
    const files = [{ path: "in/large", entry, mode: "content" as const }];
    for (let i = 0; i < 4; i++) {
      const done = await download(files, datum, reader, fifos);
      assert.equal(done.kind, "no-scratch");
      rmSync(join(datum.pfs, "in/large"));
    }
    const fits = fileEntry("/large", { ...entry, segments: entry.segments.slice(0, 2) }, {});
    const done = await download([{ path: "in/large", entry: fits, mode: "content" }], datum, reader, fifos);
    assert.deepEqual(done, { kind: "ready", bytes: 32 * MIB });
  }));
