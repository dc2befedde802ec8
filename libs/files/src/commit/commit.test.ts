import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { SheafError } from "@sheaf/runtime";
import { memoryStore, type Store } from "@sheaf/storage";
import fc from "fast-check";
import { utf8 } from "../bytes.ts";
import { fileEntry } from "../pack/content.ts";
import { comparePaths, foldersOf, isUnder } from "../path.ts";
import { listAll } from "../testing/job-model.ts";
import { applyChanges } from "./apply-changes.ts";
import { type CommitReader, openCommit, readCommit } from "./commit-reader.ts";
import { putManifest, ShardWriter } from "./index-writer.ts";
import { type Child, folderTotals, listFolder } from "./list-folder.ts";

/** Shards of three files, so that small trees have many. */
const TINY = { shardFiles: 3 };
const file = (path: string, size = 1): store.FileEntry =>
  fileEntry(path, { size: BigInt(size), hash: new Uint8Array(32), segments: [] });

async function commitOf(target: Store, files: Iterable<readonly [string, number]>): Promise<store.ObjectRef> {
  const puts = [...files].sort((a, b) => comparePaths(a[0], b[0])).map(([path, size]) => file(path, size));
  return (await applyChanges(target, undefined, { puts }, TINY)).ref;
}

const part = fc.constantFrom("a", "b", "a-", "a0", "\u{1f600}", "\uffee");
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
const isTree = (paths: readonly string[]): boolean => !paths.some((p) => paths.some((other) => isUnder(other, p)));
const tree = fc
  .uniqueArray(fc.tuple(path, fc.nat(9)), { maxLength: 25, selector: ([p]) => p })
  .map((files) => files.filter(([p]) => !files.some(([other]) => isUnder(other, p))));

test("after any changes a commit holds what a map would; or the collision is refused and named", async () => {
  const changes = fc.record({
    puts: fc.uniqueArray(fc.tuple(path, fc.nat(9)), { maxLength: 6, selector: ([p]) => p }),
    deletes: fc.array(fc.oneof({ weight: 9, arbitrary: path }, { weight: 1, arbitrary: fc.constant("/") }), {
      maxLength: 3,
    }),
  });
  await fc.assert(
    fc.asyncProperty(tree, fc.array(changes, { maxLength: 3 }), async (first, rounds) => {
      const target = memoryStore();
      const model = new Map(first);
      let ref = await commitOf(target, model);
      for (const { puts, deletes } of rounds) {
        const next = new Map([...model].filter(([p]) => !deletes.some((d) => p === d || isUnder(p, d))));
        for (const [p, size] of puts) next.set(p, size);
        const sorted = puts.sort((a, b) => comparePaths(a[0], b[0])).map(([p, size]) => file(p, size));
        const applied = applyChanges(target, ref, { deletes, puts: sorted }, TINY);
        if (!isTree([...next.keys()])) {
          await assert.rejects(applied, (error: SheafError) => {
            assert.equal(error.reason, "FILE_AND_FOLDER");
            const { file: f, under } = error.metadata;
            return next.has(f as string) && next.has(under as string) && isUnder(under as string, f as string);
          });
          return;
        }
        ref = (await applied).ref;
        model.clear();
        for (const [p, size] of next) model.set(p, size);
        await assertHolds(await openCommit(target, ref), model);
      }
    }),
    { numRuns: 400 },
  );
});

async function assertHolds(commit: CommitReader, model: ReadonlyMap<string, number>): Promise<void> {
  const expected = [...model].sort((a, b) => comparePaths(a[0], b[0]));
  assert.deepEqual(
    (await listAll(commit)).map((e) => [e.path, Number(e.size)]),
    expected,
  );
  assert.equal(commit.manifest.files, BigInt(model.size));
  assert.equal(commit.manifest.bytes, BigInt(expected.reduce((sum, [, size]) => sum + size, 0)));
  for (const shard of commit.manifest.shards) assert.ok(shard.files <= 3n);
}

test("only the shards that are touched are written anew", async () => {
  const target = memoryStore();
  const paths = Array.from({ length: 30 }, (_, i): [string, number] => [`/f${String(i).padStart(2, "0")}`, 1]);
  const before = await openCommit(target, await commitOf(target, paths));
  const keysOf = (commit: CommitReader): (string | undefined)[] =>
    commit.manifest.shards.map((s) => s.table?.object?.key);
  const after = await applyChanges(
    target,
    (await putManifest(target, before.manifest.shards)).ref,
    { puts: [file("/f10", 5), file("/f11b")], deletes: ["/f20"] },
    TINY,
  );
  const now = await openCommit(target, after.ref);
  const kept = keysOf(before).filter((key) => keysOf(now).includes(key));
  assert.equal(keysOf(before).length, 10);
  assert.equal(kept.length, 8);
  const same = await applyChanges(target, after.ref, {}, TINY);
  assert.deepEqual(same.ref, after.ref);
});

test("any range, prefix or lookup gives what a filter gives", async () => {
  const bound = fc.option(path, { nil: undefined });
  const prefix = fc.option(
    fc.tuple(path, fc.nat(4)).map(([p, cut]) =>
      p
        .slice(0, Math.max(0, p.length - cut))
        .toWellFormed()
        .replace(/\ufffd$/, ""),
    ),
    { nil: undefined },
  );
  await fc.assert(
    fc.asyncProperty(tree, bound, bound, prefix, path, async (files, from, to, start, looked) => {
      const target = memoryStore();
      const commit = await openCommit(target, await commitOf(target, files));
      const range = {
        ...(from !== undefined && { from }),
        ...(to !== undefined && { to }),
        ...(start !== undefined && { prefix: start }),
      };
      const read: string[] = [];
      for await (const entry of commit.files(range)) read.push(entry.path);
      const all = files.map(([p]) => p).sort(comparePaths);
      const inRange = all.filter(
        (p) =>
          (from === undefined || comparePaths(p, from) >= 0) &&
          (to === undefined || comparePaths(p, to) < 0) &&
          p.startsWith(start ?? ""),
      );
      assert.deepEqual(read, inRange);
      assert.equal(
        (await commit.find(looked))?.path,
        all.find((p) => p === looked),
      );
      assert.equal(
        await commit.firstUnder(looked),
        all.find((p) => isUnder(p, looked)),
      );
    }),
    { numRuns: 500 },
  );
});

test("a folder lists its children with their totals, and the list can go on from anywhere", async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.oneof(path, fc.constant("/")), async (files, folder) => {
      const target = memoryStore();
      const commit = await openCommit(target, await commitOf(target, files));
      const children: Child[] = [];
      for await (const child of listFolder(commit, folder)) children.push(child);
      assert.deepEqual(children.map(shownChild), naiveChildren(files, folder));
      for (const [i, { next }] of children.entries()) {
        const rest: Child[] = [];
        for await (const child of listFolder(commit, folder, next)) rest.push(child);
        assert.deepEqual(rest.map(shownChild), children.slice(i + 1).map(shownChild));
      }
      const under = files.filter(([p]) => isUnder(p, folder));
      const bytes = under.reduce((sum, [, size]) => sum + size, 0);
      assert.deepEqual(await folderTotals(commit, folder), { files: BigInt(under.length), bytes: BigInt(bytes) });
    }),
    { numRuns: 400 },
  );
});

const shownChild = (child: Child): string =>
  child.kind === "file" ? `${child.path} ${child.entry.size}` : `${child.path}/ ${child.files} ${child.bytes}`;

function naiveChildren(files: readonly (readonly [string, number])[], folder: string): string[] {
  const depth = folder === "/" ? 0 : folder.split("/").length - 1;
  const totals = new Map<string, [number, number]>();
  for (const [p, size] of files.filter(([q]) => isUnder(q, folder))) {
    const name = foldersOf(p)[depth] === undefined ? p : `${foldersOf(p)[depth]}/`;
    const [count, bytes] = totals.get(name) ?? [0, 0];
    totals.set(name, [count + 1, bytes + size]);
  }
  return [...totals]
    .sort((a, b) => comparePaths(a[0], b[0]))
    .map(([name, [count, bytes]]) => (name.endsWith("/") ? `${name} ${count} ${bytes}` : `${name} ${bytes}`));
}

/** A commit whose shards are these, each a list of [path, text of one segment]. */
async function cutCommit(
  target: Store,
  shards: readonly (readonly (readonly [string, string])[])[],
): Promise<store.ObjectRef> {
  const made: store.IndexShard[] = [];
  for (const entries of shards) {
    const writer = new ShardWriter();
    for (const [p, text] of entries) {
      const segment = create(store.SegmentSchema, {
        pack: utf8(text),
        length: text.length,
        sha256: new Uint8Array(32),
      });
      writer.add(fileEntry(p, { size: BigInt(text.length), hash: new Uint8Array(32), segments: [segment] }));
    }
    made.push((await writer.finish(target)) as store.IndexShard);
  }
  return (await putManifest(target, made)).ref;
}

test("a path that is cut over shards is one file, everywhere", async () => {
  const target = memoryStore();
  const ref = await cutCommit(target, [
    [
      ["/a", "1"],
      ["/d/s", "22"],
    ],
    [["/d/s", "333"]],
    [
      ["/d/s", "4444"],
      ["/d/t", "5"],
    ],
    [["/e", "6"]],
  ]);
  const commit = await openCommit(target, ref);
  assert.deepEqual(
    (await listAll(commit)).map((e) => [e.path, e.size, e.segments.length]),
    [
      ["/a", 1n, 1],
      ["/d/s", 9n, 3],
      ["/d/t", 1n, 1],
      ["/e", 1n, 1],
    ],
  );
  assert.deepEqual([commit.manifest.files, commit.manifest.bytes], [4n, 12n]);
  assert.equal((await commit.find("/d/s"))?.size, 9n);
  assert.deepEqual(await folderTotals(commit, "/d"), { files: 2n, bytes: 10n });
  const children: string[] = [];
  for await (const child of listFolder(commit, "/d")) children.push(shownChild(child));
  assert.deepEqual(children, ["/d/s 9", "/d/t 1"]);
  const root: string[] = [];
  for await (const child of listFolder(commit, "/")) root.push(shownChild(child));
  assert.deepEqual(root, ["/a 1", "/d/ 2 10", "/e 1"]);
  // Replaced, deleted, or left alone while its neighbours change.
  const replaced = await openCommit(target, (await applyChanges(target, ref, { puts: [file("/d/s", 7)] })).ref);
  assert.equal((await replaced.find("/d/s"))?.size, 7n);
  assert.equal(replaced.manifest.files, 4n);
  const deleted = await openCommit(target, (await applyChanges(target, ref, { deletes: ["/d"] })).ref);
  assert.deepEqual(
    (await listAll(deleted)).map((e) => e.path),
    ["/a", "/e"],
  );
  const beside = await openCommit(target, (await applyChanges(target, ref, { puts: [file("/e", 8)] })).ref);
  assert.deepEqual([(await beside.find("/d/s"))?.size, beside.manifest.bytes], [9n, 19n]);
  assert.equal(beside.manifest.shards.length, 4);
});

test("no manifest is an empty commit", async () => {
  const target = memoryStore();
  for await (const entry of readCommit(target, undefined)) assert.fail(entry.path);
  const commit = await openCommit(target, undefined);
  assert.equal(await commit.find("/a"), undefined);
  assert.deepEqual(await folderTotals(commit, "/"), { files: 0n, bytes: 0n });
  const { ref, manifest } = await applyChanges(target, undefined, {});
  assert.deepEqual([manifest.files, manifest.shards], [0n, []]);
  for await (const entry of readCommit(target, ref)) assert.fail(entry.path);
});

test("of several puts of one path the last one stands; bad ones are refused", async () => {
  const target = memoryStore();
  const { ref } = await applyChanges(target, undefined, { puts: [file("/a", 1), file("/a", 2), file("/b", 3)] });
  assert.deepEqual(
    (await listAll(await openCommit(target, ref))).map((e) => e.size),
    [2n, 3n],
  );
  await assert.rejects(() => applyChanges(target, ref, { puts: [file("/a/../b")] }), { reason: "PATH_INVALID" });
  await assert.rejects(() => applyChanges(target, ref, { puts: [file("/b"), file("/a")] }), { code: "INTERNAL" });
  const message = /"\/a" cannot be a file while there is "\/a\/x"/;
  await assert.rejects(() => applyChanges(target, ref, { puts: [file("/a/x")] }), {
    code: "FAILED_PRECONDITION",
    message,
  });
  await assert.rejects(() => applyChanges(target, undefined, { puts: [file("/a"), file("/a-"), file("/a/x")] }), {
    message,
  });
});
