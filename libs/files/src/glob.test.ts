import assert from "node:assert/strict";
import { test } from "node:test";
import type { SheafError } from "@sheaf/runtime";
import fc from "fast-check";
import picomatch from "picomatch";
import { compileGlob } from "./glob.ts";

const matching = (pattern: string, paths: readonly string[]): string[] =>
  paths.filter((path) => compileGlob(pattern).matches(path));

test("the root stands for the whole repo and for nothing else", () => {
  for (const pattern of ["/", "", "{/,}"]) {
    const glob = compileGlob(pattern);
    assert.ok(glob.matches("/"));
    assert.ok(!glob.matches("/a"));
    assert.equal(glob.filesOnly, false);
  }
  for (const pattern of ["*", "/*", "**", "/**", "!(/)", "?"]) assert.ok(!compileGlob(pattern).matches("/"));
});

test("what each sign takes", () => {
  const cases: [pattern: string, matches: string[], not: string[]][] = [
    ["/*", ["/a", "/.hidden", "/a b"], ["/a/b"]],
    ["*", ["/a"], ["/a/b"]],
    ["/*/*", ["/a/b"], ["/a", "/a/b/c"]],
    ["/a*c", ["/ac", "/abc"], ["/a/c", "/abcd"]],
    ["/a?c", ["/abc", "/aéc", "/a\u{1f600}c"], ["/ac", "/a/c", "/abbc"]],
    ["/[a-c]x", ["/ax", "/cx"], ["/dx", "/x"]],
    ["/[!a-c]x", ["/dx", "/éx"], ["/ax", "//x"]],
    ["/[^a]x", ["/bx"], ["/ax"]],
    ["/[]a]", ["/]", "/a"], ["/b"]],
    ["/[!]a]", ["/b"], ["/]", "/a"]],
    ["/[a-]", ["/a", "/-"], ["/b"]],
    ["/[\\]\\-x]", ["/]", "/-", "/x"], ["/\\"]],
    ["/[é-ü]", ["/ê"], ["/a"]],
    ["/{a,b}/c", ["/a/c", "/b/c"], ["/c"]],
    ["/{a,b{c,d}}", ["/a", "/bc", "/bd"], ["/b"]],
    ["{/a,/a/b}", ["/a", "/a/b"], ["/b"]],
    ["/a{,b}", ["/a", "/ab"], ["/abb"]],
    ["/{a}", ["/a"], ["/{a}"]],
    ["**", ["/a", "/a/b/c"], []],
    ["/**/x", ["/x", "/a/x", "/a/b/x"], ["/ax", "/a/bx", "/x/a"]],
    ["/a/**/b", ["/a/b", "/a/c/b", "/a/c/d/b"], ["/axb", "/ab", "/a/cb", "/b"]],
    ["/a/**", ["/a/b", "/a/b/c"], ["/a", "/ab"]],
    ["/**/**/x", ["/x", "/a/b/x"], ["/ax"]],
    ["**.txt", ["/a.txt", "/b/a.txt"], ["/a.txt/b"]],
    ["/a**b", ["/ab", "/a/x/b"], ["/a/x/bc"]],
    ["!(*.tmp)", ["/a", "/b/x.tmp"], ["/x.tmp"]],
    ["!*.tmp", ["/a"], ["/x.tmp"]],
    ["/!(*.tmp)", ["/a"], ["/x.tmp"]],
    ["!(**)", [], ["/a", "/a/b"]],
    ["/a/", ["/a"], ["/a/b"]],
    ["a/b", ["/a/b"], ["/b"]],
    ["a\\[1\\].txt", ["/a[1].txt"], ["/a1.txt"]],
    ["/\\*\\?\\{\\}\\(\\)\\!\\\\", ["/*?{}()!\\"], ["/x"]],
    ["/a!b@c+d", ["/a!b@c+d"], []],
  ];
  for (const [pattern, matches, not] of cases) {
    assert.deepEqual(matching(pattern, [...matches, ...not]), matches, pattern);
  }
});

test("Pachyderm's oracle: 50 files /foo0 to /foo49", () => {
  const files = Array.from({ length: 50 }, (_, i) => `/foo${i}`).sort();
  assert.deepEqual(matching("/foo?1", files), ["/foo11", "/foo21", "/foo31", "/foo41"]);
  assert.deepEqual(matching("/foo*2", files), ["/foo12", "/foo2", "/foo22", "/foo32", "/foo42"]);
  assert.deepEqual(matching("!(**)", files), []);
  assert.equal(matching("/*", files).length, 50);
});

test("Pachyderm's oracle: 100 files in the root, in /dir1 and in /dir2/dir3", () => {
  const names = Array.from({ length: 100 }, (_, i) => `file${i}`);
  const folders = ["/dir1", "/dir2", "/dir2/dir3"];
  const files = ["", "/dir1", "/dir2/dir3"].flatMap((dir) => names.map((name) => `${dir}/${name}`));
  const all = [...folders, ...files];
  const counts = {
    "*": 102,
    "file*": 100,
    "dir1/*": 100,
    "*/*": 101,
    "dir2/dir3/file1?": 10,
    "**": 300,
  };
  for (const [pattern, count] of Object.entries(counts)) {
    const { filesOnly } = compileGlob(pattern);
    assert.equal(matching(pattern, filesOnly ? files : all).length, count, pattern);
  }
});

test("a pattern with ** and a negated one are about files only", () => {
  const filesOnly = ["**", "/a/**", "{a,b/**}", "!(a)", "!a", "/**/x"];
  for (const pattern of filesOnly) assert.ok(compileGlob(pattern).filesOnly, pattern);
  for (const pattern of ["/", "*", "/*/*", "\\*\\*"]) assert.ok(!compileGlob(pattern).filesOnly, pattern);
});

test("the literal prefix", () => {
  const prefixes = {
    "/": "/",
    "a/b": "/a/b",
    "/a/b*": "/a/b",
    "{ab,ac}/x": "/a",
    "/**/x": "/",
    "/a/**": "/a/",
    "/a/**/b": "/a/",
    "!(a)": "/",
    "/a\\*b": "/a*b",
    "[a]": "/",
    "{a/**,a/b}": "/a/",
  };
  for (const [pattern, prefix] of Object.entries(prefixes)) {
    assert.equal(compileGlob(pattern).literalPrefix, prefix, pattern);
  }
});

test("what cannot be read is refused with its place", () => {
  const bad: [pattern: string, position: number, problem: RegExp][] = [
    ["/a[b", 2, /"\[" without "\]"/],
    ["/a[", 2, /without/],
    ["/a[b\\", 2, /without/],
    ["/a{b,c", 2, /"\{" without "\}"/],
    ["/a}", 2, /"\}" without/],
    ["/a]", 2, /"\]" without/],
    ["/ab\\", 3, /escapes nothing/],
    ["!(a", 1, /needs its "\)"/],
    ["!(a)b", 1, /at the very end/],
    ["!(a\\)", 1, /needs its/],
    ["a***", 1, /more than two/],
    ["/a//b", 2, /empty part/],
    ["//", 0, /empty part/],
    ["../a", 0, /part "\.\."/],
    ["/a/./b", 3, /part "\."/],
    ["/(a)", 1, /captures/],
    ["/@(a|b)", 2, /use braces/],
    ["/*(a)", 2, /use braces/],
    ["/?(a)", 2, /use braces/],
    ["/a!(b)", 3, /use braces/],
    ["/[b-a]", 2, /backwards/],
    ["/[a/b]", 3, /cannot hold/],
    ["/[[:alpha:]]", 2, /\[:alpha:\]/],
    ["/{1..99999999}", 1, /ranges/],
    [`/${"{a,b}".repeat(10)}`, 1, /more than 1000/],
    [`/${"{".repeat(20)}`, 17, /nested/],
    [
      `/{${Array.from({ length: 300 }, () => "abcdefghij".slice(0, 2)).join(",")}}${"x".repeat(100)}`,
      1,
      /too much text/,
    ],
    ["/\u00fcu\u0308*", 2, /not in composed form/],
    ["x".repeat(1025), 0, /longer than 1024/],
  ];
  for (const [pattern, position, problem] of bad) {
    assert.throws(
      () => compileGlob(pattern),
      (error: SheafError) => {
        assert.equal(error.code, "INVALID_ARGUMENT");
        assert.equal(error.reason, "GLOB_SYNTAX");
        assert.match(error.message, problem, pattern);
        assert.equal(error.metadata["position"], String(position), pattern);
        const [, shown, caret] = error.message.split("\n");
        assert.ok(shown?.includes(pattern.slice(0, 200)));
        assert.equal(caret?.trim(), "^");
        return true;
      },
    );
  }
});

test("no pattern is slow", () => {
  const worst = [`/${"*a".repeat(300)}b`, `/${"**a".repeat(300)}b`, `{${"*a*b,".repeat(150)}c}{d,e}`];
  const started = performance.now();
  for (const pattern of worst) {
    const glob = compileGlob(pattern);
    for (const path of ["a".repeat(1_000), "ab".repeat(500), "a/".repeat(500)]) glob.matches(`/${path}`);
  }
  // Backtracking would take longer than the universe is old.
  assert.ok(performance.now() - started < 10_000);
});

test("more states than are kept do not make it forget what it matches", () => {
  // Whether there was an "a" thirteen places ago: 2^13 states.
  const glob = compileGlob(`/*a${"?".repeat(13)}`);
  const simple = /^\/.*a.{13}$/;
  const text = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 10, maxLength: 40 });
  for (const path of fc.sample(text, 5_000)) {
    assert.equal(glob.matches(`/${path}`), simple.test(`/${path}`), path);
  }
});

const name = fc.string({
  unit: fc.constantFrom("a", "b", ".", "-", "é", "\u{1f600}"),
  minLength: 1,
  maxLength: 4,
});
const dots = (text: string): boolean => /^\.+$/.test(text);
const files = fc
  .array(
    name.filter((text) => !dots(text)),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join("/"));

test("it agrees with picomatch where both give a pattern one meaning", () => {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("a", "b", "é") },
    { weight: 2, arbitrary: fc.constantFrom("*", "?") },
    {
      weight: 1,
      arbitrary: fc.constantFrom("[ab]", "[!a]", "[a-b]", "{a,b}", "{a,b{a,-}}", "{ab,?}"),
    },
  );
  const part = fc
    .array(piece, { minLength: 1, maxLength: 4 })
    .map((pieces) => pieces.join(""))
    // For them two stars inside a part are one.
    .filter((text) => !text.includes("**"));
  const pattern = fc
    .array(fc.oneof({ weight: 3, arbitrary: part }, { weight: 1, arbitrary: fc.constant("**") }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) => parts.join("/"))
    .filter((text) => !text.includes("**/**"));
  fc.assert(
    fc.property(pattern, fc.array(files, { minLength: 1, maxLength: 20 }), (text, paths) => {
      const glob = compileGlob(text);
      const theirs = theirMatcher(text);
      for (const path of paths) {
        if (!meanTheSame(text, path)) continue;
        assert.equal(glob.matches(`/${path}`), theirs(path), `${text} on ${path}`);
      }
    }),
    { numRuns: 3_000 },
  );
});

/** They take "[!a]" only as "[^a]", which then also takes a slash. */
function theirMatcher(pattern: string): (path: string) => boolean {
  return picomatch(pattern.replaceAll("[!a]", "[^a/]"), {
    dot: true,
    nonegate: true,
    noextglob: true,
  });
}

/** For them "?" is half of a character beyond U+FFFF, and "a/**" takes "a" as well. */
function meanTheSame(pattern: string, path: string): boolean {
  if (/\u{1f600}/u.test(path) && /[?[]/.test(pattern)) return false;
  return !pattern.endsWith("/**") || !theirMatcher(pattern.slice(0, -3))(path);
}

test("every path that matches begins with the literal prefix", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "b", "/", "*", "?", "[ab]", "{a,b/}", "\\*"),
    maxLength: 8,
  });
  fc.assert(
    fc.property(text, files, (pattern, path) => {
      let glob: ReturnType<typeof compileGlob>;
      try {
        glob = compileGlob(pattern);
      } catch {
        return;
      }
      if (glob.matches(`/${path}`)) assert.ok(`/${path}`.startsWith(glob.literalPrefix));
    }),
    { numRuns: 2_000 },
  );
});
