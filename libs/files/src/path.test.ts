import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkPath, comparePaths, foldersOf, isUnder, parentOf, parsePath, rangeUnder } from "./path.ts";

const text = fc.string({ unit: "grapheme", maxLength: 6 });
const anyPath = fc.array(text, { maxLength: 4 }).map((parts) => `/${parts.join("/")}`);

test("good paths", () => {
  const good = ["/a", "/a/b", "/a b/c", "/.git/x", "/...", "/a.txt", "/café", "/\u{1f600}", "/-", "/%2F"];
  for (const path of [...good, "/a[1].txt", "/a*b", `/${"x".repeat(255)}`, "/a.", "/~", "/$x"]) {
    assert.deepEqual(parsePath(path), { ok: true, path }, path);
  }
});

test("bad paths, each with its reason", () => {
  const bad = {
    "": /begin with "\/"/,
    a: /begin with/,
    "../a": /begin with/,
    "/": /empty part/,
    "/a/": /empty part/,
    "//a": /empty part/,
    "/a//b": /empty part/,
    "/.": /part "\."/,
    "/a/../b": /part "\.\."/,
    "/a\0b": /control/,
    "/a\nb": /control/,
    "/a\u007f": /control/,
    "/a\u0085": /control/,
    "/a\u2028": /control/,
    "/a\\b": /backslash/,
    "/a /b": /space/,
    "/ a": /space/,
    "/a\u00a0": /space/,
    "/cafe\u0301": /NFC/,
    "/\ud800": /Unicode/,
    [`/${"x".repeat(256)}`]: /part of it is longer/,
    [`/${"é".repeat(128)}`]: /part of it is longer/,
    [`/${"x/".repeat(512)}x`]: /longer than 1024/,
  };
  for (const [path, why] of Object.entries(bad)) {
    const parsed = parsePath(path);
    assert.equal(parsed.ok, false, JSON.stringify(path));
    if (!parsed.ok) assert.match(parsed.message, why, JSON.stringify(path));
    assert.throws(() => checkPath(path), { code: "INVALID_ARGUMENT", reason: "PATH_INVALID" });
  }
});

test("two paths that are good look different", () => {
  fc.assert(
    fc.property(anyPath, anyPath, (a, b) => {
      fc.pre(parsePath(a).ok && parsePath(b).ok);
      assert.equal(a === b, a.normalize("NFC") === b.normalize("NFC"));
    }),
  );
});

test("paths are ordered as their UTF-8 bytes", () => {
  const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const unit = fc.constantFrom("a", "b", "/", "\uffee", "\ue000", "\u{1f600}", "\u{10ffff}", "é");
  const mixed = fc.oneof(
    anyPath,
    fc.array(unit, { maxLength: 5 }).map((units) => units.join("")),
  );
  fc.assert(
    fc.property(mixed, mixed, (a, b) => {
      assert.equal(Math.sign(comparePaths(a, b)), order(a, b));
    }),
    { numRuns: 1_000 },
  );
});

test("folders of a path", () => {
  assert.deepEqual(foldersOf("/a/b/c"), ["/a", "/a/b"]);
  assert.deepEqual(foldersOf("/a"), []);
  assert.equal(parentOf("/a/b"), "/a");
  assert.equal(parentOf("/a"), "/");
  assert.ok(isUnder("/a/b", "/a") && isUnder("/a/b/c", "/a") && isUnder("/a", "/"));
  assert.ok(!isUnder("/ab", "/a") && !isUnder("/a", "/a") && !isUnder("/", "/"));
});

test("the range of a folder holds what is under it, and nothing else", () => {
  const part = fc.constantFrom("a", "a-", "a0", "a.", "b", "\u{1f600}");
  const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
  fc.assert(
    fc.property(path, fc.oneof(path, fc.constant("/")), (p, folder) => {
      const { from, to } = rangeUnder(folder);
      const inRange = comparePaths(p, from) >= 0 && comparePaths(p, to) < 0;
      assert.equal(inRange, isUnder(p, folder));
      assert.equal(isUnder(p, folder), folder === "/" || foldersOf(p).includes(folder));
    }),
  );
});
