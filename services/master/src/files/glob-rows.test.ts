// Rows of a glob against the plan's own matcher, and against themselves from every place where a list may go on.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { comparePaths, compileGlob, findMatches } from "@sheaf/files";
import { store } from "@sheaf/proto";
import fc from "fast-check";
import { globRows } from "./glob-rows.ts";

const entry = (path: string) => create(store.FileEntrySchema, { path, size: BigInt(path.length) });

/** Sorted files, none of which is a folder of another. */
const tree = fc
  .uniqueArray(
    fc
      .array(fc.constantFrom("a", "b", "a-b", "c.txt"), { minLength: 1, maxLength: 4 })
      .map((parts) => `/${parts.join("/")}`),
    { maxLength: 30 },
  )
  .map((paths) => paths.filter((path) => !paths.some((other) => other.startsWith(`${path}/`))).sort(comparePaths));
const glob = fc
  .constantFrom("/", "/*", "/**", "/a", "/a/*", "/*/*", "{/a,/a/b,/*/*}", "/**/b", "{/,/a}", "!/a*", "/?/a-b")
  .map(compileGlob);

async function* files(paths: readonly string[], from = "") {
  for (const path of paths) if (comparePaths(path, from) >= 0) yield entry(path);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("globRows()", () => {
  it("finds what a plan finds", async () => {
    await fc.assert(
      fc.asyncProperty(tree, glob, async (paths, pattern) => {
        const expected: string[] = [];
        for await (const match of findMatches(files(paths), pattern)) {
          expected.push(
            `${match.path} ${match.files.length} ${match.files.reduce((sum, file) => sum + file.size, 0n)}`,
          );
        }
        const rows: string[] = [];
        for await (const row of globRows(files(paths), pattern)) rows.push(`${row.path} ${row.files} ${row.bytes}`);
        assert.deepEqual(rows, expected);
      }),
    );
  });

  it("goes on from any row", async () => {
    await fc.assert(
      fc.asyncProperty(tree, glob, async (paths, pattern) => {
        const all = await collect(globRows(files(paths), pattern));
        for (const [i, row] of all.entries()) {
          const again = await collect(globRows(files(paths, row.groupFrom), pattern));
          const rest = again.filter((each) => each.groupFrom !== row.groupFrom || each.inGroup >= row.inGroup);
          assert.deepEqual(
            rest.map((each) => each.path),
            all.slice(i).map((each) => each.path),
          );
        }
      }),
    );
  });
});
