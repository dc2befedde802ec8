import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { withLock } from "./lock.js";

function lockFile(t) {
  const folder = mkdtempSync(join(tmpdir(), "sheaf-lock-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "lock");
}

/** What the lock of this process says: the form that an owner's lock has. */
async function ownLock(file) {
  return await withLock(file, () => JSON.parse(readFileSync(file, "utf8")));
}

test("one at a time, and gone afterwards, also after a failure", async (t) => {
  const file = lockFile(t);
  let inside = 0;
  const work = async () => {
    assert.equal(++inside, 1);
    await new Promise(setImmediate);
    inside--;
  };
  await Promise.all([withLock(file, work), withLock(file, work), withLock(file, work)]);
  await assert.rejects(
    withLock(file, () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(existsSync(file), false);
});

test("the lock of a process that ended is taken over", async (t) => {
  const file = lockFile(t);
  const ended = spawnSync(process.execPath, ["-e", "0"]).pid;
  writeFileSync(file, JSON.stringify({ ...(await ownLock(file)), pid: ended, began: "1" }));
  assert.equal(await withLock(file, () => "mine"), "mine");
});

test("a number that is used again is not its old process", async (t) => {
  const file = lockFile(t);
  const own = await ownLock(file);
  if (own.began === undefined) return; // Start times are known from /proc only.
  writeFileSync(file, JSON.stringify({ ...own, began: "1" }));
  assert.equal(await withLock(file, () => "mine"), "mine");
});

test("what a killed set-up left running is ended first", async (t) => {
  const file = lockFile(t);
  const owner = await ownLock(file);
  const orphan = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  const ended = once(orphan, "exit");
  await withLock(file, (adopt) => {
    adopt(orphan.pid);
    owner.children = JSON.parse(readFileSync(file, "utf8")).children;
  });
  if (owner.began === undefined) return void orphan.kill();
  writeFileSync(file, JSON.stringify({ ...owner, began: "1" }));
  assert.equal(await withLock(file, () => "mine"), "mine");
  assert.deepEqual(await ended, [null, "SIGKILL"]);
});
