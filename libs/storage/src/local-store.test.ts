import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { manualClock, type SheafError } from "@sheaf/runtime";
import { localStore } from "./local-store.ts";
import { openStore } from "./open-store.ts";
import { storeSuite } from "./store.suite.ts";

let root = "";
let made = 0;
before(() => {
  root = fs.mkdtempSync(join(tmpdir(), "sheaf-store-"));
});
after(() => fs.rmSync(root, { recursive: true, force: true }));
const fresh = (): string => join(root, `store-${made++}`);

storeSuite("local folder", async () => localStore(fresh()));

test("an object is a read-only file that can be linked", async () => {
  const dir = fresh();
  const store = localStore(dir);
  await store.put("packs/a", Buffer.from("hello"));
  const path = store.localPath("packs/a");
  assert.equal(path, join(dir, "packs/a"));
  assert.equal(fs.readFileSync(path as string, "utf8"), "hello");
  assert.equal(fs.statSync(path as string).mode & 0o222, 0);
  // Nothing else links to it: the file that was being written is gone.
  assert.equal(fs.statSync(path as string).nlink, 1);
  assert.deepEqual(fs.readdirSync(join(dir, ".tmp")), []);
  await store.close();
});

test("two stores in one folder are one store", async () => {
  const dir = fresh();
  const [one, two] = [localStore(dir), localStore(dir)];
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).put("packs/a", Buffer.alloc(9_000))),
  );
  assert.equal(results.filter((result) => result === "created").length, 1);
  assert.equal((await two.get("packs/a")).length, 9_000);
  await Promise.all([one.close(), two.close()]);
});

test("what a killed writer left is not listed, and goes after an hour", async () => {
  const dir = fresh();
  await localStore(dir).close();
  const leftover = join(dir, ".tmp", "999-abc");
  fs.writeFileSync(leftover, "half an object");
  const store = localStore(dir);
  for await (const { key } of store.list("")) assert.fail(`listed ${key}`);
  assert.ok(fs.existsSync(leftover), "its writer may still be at it");
  await store.close();
  const later = manualClock(Date.now() + 3_700_000);
  await localStore(dir, { clock: later }).close();
  assert.equal(fs.existsSync(leftover), false);
});

test("a folder that must be a store and is none is not made into one", async () => {
  const dir = fresh();
  const isAway = (error: SheafError) =>
    error.reason === "STORE_UNAVAILABLE" && error.message.includes(dir) && error.message.includes("mount it");
  assert.throws(() => localStore(dir, { mustExist: true }), isAway);
  fs.mkdirSync(dir);
  assert.throws(() => localStore(dir, { mustExist: true }), isAway);
  assert.deepEqual(fs.readdirSync(dir), []);
  await localStore(dir).close();
  await localStore(dir, { mustExist: true }).close();
});

test("addresses of stores", async () => {
  const dir = fresh();
  const store = await openStore(`file://${dir}`);
  assert.equal(store.url, `file://${dir}`);
  assert.ok(fs.existsSync(dir));
  await store.close();
  for (const url of ["", "/tmp/x", "file://host/x", "http://x", "file:///x?y", "memory:"]) {
    await assert.rejects(() => openStore(url), { reason: "STORE_URL" }, url);
  }
});

test("a file where the folder should be", () => {
  const path = fresh();
  fs.writeFileSync(path, "");
  assert.throws(
    () => localStore(path),
    (error: SheafError) => error.message.includes(path),
  );
});

/** A file system of its own, so that root, too, meets its limits. Undefined where it cannot be mounted. */
function mounted(options: string): string | undefined {
  const dir = fresh();
  fs.mkdirSync(dir);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", dir], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  after(() => execFileSync("umount", ["-l", dir]));
  return dir;
}

test("a full store says so, and keeps nothing of the object", async (t) => {
  const dir = mounted("size=256k");
  if (dir === undefined) return t.diagnostic("cannot mount a small file system here");
  const store = localStore(join(dir, "store"));
  await store.put("packs/small", Buffer.from("fits"));
  await assert.rejects(
    () => store.put("packs/large", Buffer.alloc(2_000_000, 1)),
    (error: SheafError) => {
      assert.equal(error.code, "RESOURCE_EXHAUSTED");
      assert.equal(error.reason, "STORE_FULL");
      assert.match(error.message, /store folder .*store is full .*SHEAF_STORE/);
      return true;
    },
  );
  await assert.rejects(() => store.put("packs/mid", Buffer.alloc(900_000, 1)), {
    reason: "STORE_FULL",
  });
  assert.equal(await store.head("packs/large"), null);
  assert.deepEqual(fs.readdirSync(join(dir, "store", ".tmp")), []);
  assert.equal(await store.put("packs/small2", Buffer.from("fits as well")), "created");
  await store.close();
});

test("a store that may not be written says so; it can still be read", async (t) => {
  const dir = mounted("size=1m");
  if (dir === undefined) return t.diagnostic("cannot mount a file system here");
  const store = localStore(dir);
  await store.put("packs/a", Buffer.from("hello"));
  execFileSync("mount", ["-o", "remount,ro", dir]);
  const notWritable = (error: SheafError): boolean => {
    assert.equal(error.code, "FAILED_PRECONDITION");
    assert.equal(error.reason, "STORE_NOT_WRITABLE");
    return error.message.includes(dir);
  };
  await assert.rejects(() => store.put("packs/b", Buffer.from("x")), notWritable);
  await assert.rejects(() => store.delete("packs/a"), notWritable);
  assert.throws(() => localStore(dir), notWritable);
  assert.equal(Buffer.from(await store.get("packs/a")).toString(), "hello");
  await store.close();
});

test("a folder that is moved away, or not mounted, has lost nothing: it cannot be reached, and is used again when it is back", async () => {
  const dir = fresh();
  const store = localStore(dir);
  await store.put("packs/a", Buffer.from("hello"));
  fs.renameSync(dir, `${dir}-away`);
  const unavailable = { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE", message: /not there, or is another/ };
  for (const isEmpty of [false, true]) {
    if (isEmpty) fs.mkdirSync(dir);
    await assert.rejects(store.get("packs/a"), unavailable);
    await assert.rejects(store.head("packs/a"), unavailable);
    await assert.rejects(store.put("packs/b", Buffer.from("b")), unavailable);
  }
  assert.deepEqual(fs.readdirSync(dir), [], "nothing is written in its place");
  fs.rmdirSync(dir);
  fs.renameSync(`${dir}-away`, dir);
  assert.equal(Buffer.from(await store.get("packs/a")).toString(), "hello");
  assert.equal(await store.put("packs/b", Buffer.from("b")), "created");
  await assert.rejects(store.get("packs/c"), { code: "DATA_LOSS", reason: "OBJECT_MISSING" });
  assert.equal(await store.head("packs/c"), null);
  await store.close();
});
