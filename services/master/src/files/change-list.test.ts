import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create } from "@bufbuild/protobuf";
import { comparePaths } from "@sheaf/files";
import { store } from "@sheaf/proto";
import fc from "fast-check";
import { ChangeList } from "./change-list.ts";

const entry = (path: string, size: bigint) => create(store.FileEntrySchema, { path, size, hash: new Uint8Array(32) });

describe("ChangeList", () => {
  it("gives the puts by path, and of one path in the order of arrival", () => {
    const paths = fc.array(
      fc.oneof(
        fc.constantFrom("/a", "/a/b", "/a-b", "/"),
        fc.string({ unit: "grapheme" }).map((text) => `/${text.toWellFormed()}`),
      ),
    );
    fc.assert(
      fc.property(paths, (some) => {
        const list = new ChangeList(64 * 1024 * 1024);
        some.forEach((path, i) => list.add(entry(path, BigInt(i))));
        const expected = some.map((path, i) => ({ path, i })).sort((a, b) => comparePaths(a.path, b.path) || a.i - b.i);
        const got = [...list.sorted()].map(({ path, size }) => ({ path, i: Number(size) }));
        assert.deepEqual(got, expected);
        assert.deepEqual([...list.sorted()].length, list.count, "it can be read again");
      }),
    );
  });

  it("says that a commit is too big before memory is full", () => {
    const list = new ChangeList(4 * 1024 * 1024);
    const fill = () => {
      for (let i = 0; i < 100_000; i++) list.add(entry(`/${"x".repeat(200)}${i}`, 1n));
    };
    assert.throws(fill, { code: "RESOURCE_EXHAUSTED", reason: "COMMIT_TOO_BIG" });
  });

  it("holds 200,000 puts in some 40 MB", () => {
    const list = new ChangeList(512 * 1024 * 1024);
    const segment = { pack: new Uint8Array(32), offset: 1_000_000n, length: 1_000, sha256: new Uint8Array(32).fill(1) };
    const before = usedBytes();
    for (let i = 0; i < 200_000; i++) {
      const path = `/folder-${i % 997}/file-number-${i}.txt`;
      list.add(create(store.FileEntrySchema, { path, size: 1_000n, hash: segment.sha256, segments: [segment] }));
    }
    let last = "";
    for (const { path } of list.sorted()) {
      assert.ok(last < path);
      last = path;
    }
    const grown = (usedBytes() - before) / 2 ** 20;
    assert.ok(grown < 80, `it grew by ${grown.toFixed(0)} MiB`);
    assert.ok(list.sorted().next().done === false, "it is still needed when it is weighed");
  });
});

/** What is in use when all that is not is gone: what else the process holds is the collector's own affair. */
function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
