import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import fc from "fast-check";
import { compileGlob, type Glob } from "../glob.ts";
import { comparePaths, foldersOf, isUnder } from "../path.ts";
import { findMatches } from "./matches.ts";

const entry = (path: string): store.FileEntry => create(store.FileEntrySchema, { path });

async function matchesOf(pattern: string, paths: readonly string[]): Promise<[string, string[]][]> {
  const sorted = [...paths].sort(comparePaths).map(entry);
  const found: [string, string[]][] = [];
  for await (const { path, files } of findMatches(sorted, compileGlob(pattern))) {
    found.push([path, files.map((file) => file.path)]);
  }
  return found;
}

test("files, folders with all in them, and the whole repo", async () => {
  const paths = ["/a", "/b/x", "/b/y/z", "/c/w"];
  assert.deepEqual(await matchesOf("/*", paths), [
    ["/a", ["/a"]],
    ["/b", ["/b/x", "/b/y/z"]],
    ["/c", ["/c/w"]],
  ]);
  assert.deepEqual(await matchesOf("/", paths), [["/", paths]]);
  assert.deepEqual(await matchesOf("/b/", paths), [["/b", ["/b/x", "/b/y/z"]]]);
  assert.deepEqual(
    (await matchesOf("**", paths)).map(([path]) => path),
    paths,
  );
  assert.deepEqual(
    (await matchesOf("!(/a)", paths)).map(([path]) => path),
    paths.slice(1),
  );
  assert.deepEqual(await matchesOf("/nothing", paths), []);
});

test("an empty repo has no datum, under any glob", async () => {
  for (const pattern of ["/", "/*", "**", "!(a)"]) assert.deepEqual(await matchesOf(pattern, []), []);
});

test("a folder and what lies in it are both datums when both match", async () => {
  const paths = ["/a/b", "/a/c", "/a-b", "/d"];
  assert.deepEqual(await matchesOf("{/a,/a/b,/a-b,/d}", paths), [
    ["/a-b", ["/a-b"]],
    ["/a", ["/a/b", "/a/c"]],
    ["/a/b", ["/a/b"]],
    ["/d", ["/d"]],
  ]);
  assert.deepEqual(await matchesOf("{/,/*,/*/*}", ["/a/b/c", "/a/d", "/e"]), [
    ["/", ["/a/b/c", "/a/d", "/e"]],
    ["/a", ["/a/b/c", "/a/d"]],
    ["/a/b", ["/a/b/c"]],
    ["/a/d", ["/a/d"]],
    ["/e", ["/e"]],
  ]);
});

test("a match comes as soon as it is complete", async () => {
  const taken: string[] = [];
  function* files(): Generator<store.FileEntry> {
    for (const path of ["/a/1", "/a/2", "/b", "/c/1", "/d"]) {
      taken.push(path);
      yield entry(path);
    }
  }
  const seen: string[] = [];
  for await (const { path } of findMatches(files(), compileGlob("/*"))) seen.push(`${path} at ${taken.at(-1)}`);
  assert.deepEqual(seen, ["/a at /b", "/b at /b", "/c at /d", "/d at /d"]);
});

/** All matches found the long way round. */
function naive(glob: Glob, paths: readonly string[]): [string, string[]][] {
  const candidates = new Set<string>(paths);
  if (!glob.filesOnly) for (const path of paths) for (const folder of ["/", ...foldersOf(path)]) candidates.add(folder);
  const files = new Set(paths);
  const place = (path: string): string => (files.has(path) ? path : path === "/" ? "/" : `${path}/`);
  return [...candidates]
    .filter((path) => glob.matches(path))
    .sort((a, b) => comparePaths(place(a), place(b)))
    .map((path) => [path, files.has(path) ? [path] : [...paths].filter((p) => isUnder(p, path)).sort(comparePaths)]);
}

test("the stream finds what a search over all paths finds", async () => {
  const part = fc.constantFrom("a", "b", "a-", "a0");
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
  const tree = fc
    .uniqueArray(path, { maxLength: 12 })
    .map((paths) => paths.filter((p) => !paths.some((other) => isUnder(other, p))));
  const pattern = fc.constantFrom(
    "/",
    "/*",
    "/*/*",
    "/a*",
    "{/a,/a/b}",
    "{/,/a,/a/*}",
    "**",
    "/a/**",
    "{/a,/a-,/a/a/b}",
    "!(a)",
    "/*/{a,b}",
  );
  await fc.assert(
    fc.asyncProperty(tree, pattern, async (paths, text) => {
      assert.deepEqual(await matchesOf(text, paths), naive(compileGlob(text), paths));
    }),
    { numRuns: 1_000 },
  );
});
