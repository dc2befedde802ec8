import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { cached, cacheRoot, obtain } from "./cache.js";

/** Points the cache to an empty folder for one test. */
function emptyCache(t) {
  const before = process.env.XDG_CACHE_HOME;
  const folder = mkdtempSync(join(tmpdir(), "sheaf-cache-"));
  process.env.XDG_CACHE_HOME = folder;
  t.after(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    rmSync(folder, { recursive: true });
  });
}

const fill = (text) => (folder) => writeFileSync(join(folder, "program"), text, { mode: 0o755 });

test("two that want the same thing make it once", async (t) => {
  emptyCache(t);
  let made = 0;
  const make = (folder) => {
    made++;
    fill("whole")(folder);
  };
  const paths = await Promise.all([1, 2, 3].map(() => obtain("thing-1", "program", make)));
  assert.equal(made, 1);
  assert.deepEqual(new Set(paths), new Set([cached("thing-1", "program")]));
});

test("a failure leaves nothing, and the next one may succeed", async (t) => {
  emptyCache(t);
  const fail = (folder) => {
    fill("half")(folder);
    throw new Error("no network");
  };
  await assert.rejects(obtain("thing-1", "program", fail), /no network/);
  assert.deepEqual(readdirSync(cacheRoot()), []);
  assert.ok(await obtain("thing-1", "program", fill("whole")));
});

test("a program that was cut short is made again", async (t) => {
  emptyCache(t);
  truncateSync(await obtain("thing-1", "program", fill("whole")), 2);
  assert.equal(cached("thing-1", "program"), undefined);
  assert.ok(await obtain("thing-1", "program", fill("whole")));
  assert.deepEqual(readdirSync(cacheRoot()), ["thing-1"]);
});

test("a relative XDG_CACHE_HOME is ignored", (t) => {
  emptyCache(t);
  const set = process.env.XDG_CACHE_HOME;
  process.env.XDG_CACHE_HOME = "somewhere";
  assert.match(cacheRoot(), /\.cache\/sheaf$/);
  process.env.XDG_CACHE_HOME = set;
});
