/** What every driver of the Store must do. A driver's test file calls this with a way to make an empty store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SheafError } from "@sheaf/runtime";
import type { ObjectInfo, Store } from "./store.ts";

export function storeSuite(driver: string, empty: () => Promise<Store>): void {
  const each = (name: string, run: (store: Store) => Promise<void>): void => {
    test(`${driver}: ${name}`, async () => {
      const store = await empty();
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });
  };

  each("what is put is got, in all forms of a source", async (store) => {
    async function* stream(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("he");
      yield Buffer.from("llo");
    }
    const sources = [Buffer.from("hello"), [Buffer.from("hel"), Buffer.from("lo")], stream()];
    for (const [i, source] of sources.entries()) {
      assert.equal(await store.put(`runs/${i}`, source), "created");
      assert.equal(Buffer.from(await store.get(`runs/${i}`)).toString(), "hello");
      assert.deepEqual(await store.head(`runs/${i}`), { size: 5 });
    }
  });

  each("an empty object is an object", async (store) => {
    assert.equal(await store.put("runs/empty", Buffer.alloc(0)), "created");
    assert.deepEqual(await store.head("runs/empty"), { size: 0 });
    assert.equal((await store.get("runs/empty")).length, 0);
    assert.equal((await collect(store.stream("runs/empty"))).length, 0);
  });

  each("a second put of a key changes nothing", async (store) => {
    assert.equal(await store.put("runs/a", Buffer.from("first")), "created");
    assert.equal(await store.put("runs/a", Buffer.from("second")), "exists");
    assert.equal(Buffer.from(await store.get("runs/a")).toString(), "first");
  });

  each("of 20 puts of one key at a time one creates it", async (store) => {
    const bytes = Buffer.alloc(100_000, 7);
    const results = await Promise.all(Array.from({ length: 20 }, () => store.put("packs/same", bytes)));
    assert.deepEqual(results.filter((result) => result === "created").length, 1);
    assert.deepEqual(Buffer.from(await store.get("packs/same")), bytes);
  });

  each("20 puts of different keys at a time all stand", async (store) => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.put(`k${i % 3}/o${i}`, Buffer.from(`${i}`))));
    for (let i = 0; i < 20; i++) {
      assert.equal(Buffer.from(await store.get(`k${i % 3}/o${i}`)).toString(), `${i}`);
    }
  });

  each("ranges are cut at the end of the object", async (store) => {
    await store.put("packs/r", Buffer.from("0123456789"));
    const get = async (offset: number, length: number): Promise<string> =>
      Buffer.from(await store.get("packs/r", { offset, length })).toString();
    assert.equal(await get(0, 3), "012");
    assert.equal(await get(7, 3), "789");
    assert.equal(await get(7, 99), "789");
    assert.equal(await get(4, 0), "");
    assert.equal(await get(10, 5), "");
    assert.equal(await get(99, 5), "");
  });

  each("long objects come whole, by get, by range and by stream", async (store) => {
    const bytes = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31) % 251));
    await store.put("packs/long", [bytes.subarray(0, 7), bytes.subarray(7)]);
    assert.ok(bytes.equals(await store.get("packs/long")));
    const range = { offset: 1_000, length: 2_500_000 };
    const part = bytes.subarray(1_000, 2_501_000);
    assert.ok(part.equals(await store.get("packs/long", range)));
    assert.ok(part.equals(await collect(store.stream("packs/long", range))));
    assert.ok(bytes.equals(await collect(store.stream("packs/long"))));
  });

  each("what is got is the reader's own", async (store) => {
    const source = Buffer.from("hello");
    await store.put("runs/own", source);
    source.fill(0);
    (await store.get("runs/own")).fill(0);
    assert.equal(Buffer.from(await store.get("runs/own")).toString(), "hello");
  });

  each("a missing object is OBJECT_MISSING, and names its key", async (store) => {
    for (const read of [
      () => store.get("packs/none"),
      () => store.get("packs/none", { offset: 1, length: 1 }),
      () => collect(store.stream("packs/none")),
    ]) {
      await assert.rejects(read, (error: SheafError) => {
        assert.equal(error.reason, "OBJECT_MISSING");
        assert.equal(error.code, "DATA_LOSS");
        return error.message.includes("packs/none");
      });
    }
    assert.equal(await store.head("packs/none"), null);
    assert.equal(await store.delete("packs/none"), false);
  });

  each("a source that fails leaves nothing", async (store) => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(10);
      throw Object.assign(new Error("the source failed"), { code: "EACCES" });
    }
    // The source's own error, not one of the store.
    await assert.rejects(() => store.put("packs/f", failing()), { message: "the source failed" });
    assert.equal(await store.head("packs/f"), null);
    assert.deepEqual(await listed(store, ""), []);
    assert.equal(await store.put("packs/f", Buffer.from("x")), "created");
  });

  each("keys that could leave the store are refused", async (store) => {
    const long = `a/${"x".repeat(255)}`;
    const bad = ["", "/a", "a/", "a//b", "..", "a/../b", "a/..", ".", ".tmp/x", "a/.b", "a\0b", "a b"];
    for (const key of [...bad, "a\nb", "é", "a\\b", "C:\\x", long]) {
      const calls = [
        () => store.put(key, Buffer.from("x")),
        () => store.get(key),
        () => store.head(key),
        () => store.delete(key),
        async () => store.localPath(key),
      ];
      for (const call of calls.slice(0, store.localPath("a/b") === null ? 4 : 5)) {
        await assert.rejects(call, { code: "INVALID_ARGUMENT", reason: "KEY_INVALID" }, key);
      }
    }
  });

  each("a list is in key order, and of the prefix only", async (store) => {
    const keys = ["runs/b", "packs/a", "packs/ab", "packs/b", "runs-old/x", "runs/a/deep", "zz"];
    for (const key of keys) await store.put(key, Buffer.from(key));
    assert.deepEqual(await listed(store, ""), [...keys].sort());
    assert.deepEqual(await listed(store, "packs/"), ["packs/a", "packs/ab", "packs/b"]);
    assert.deepEqual(await listed(store, "packs/a"), ["packs/a", "packs/ab"]);
    assert.deepEqual(await listed(store, "runs"), ["runs-old/x", "runs/a/deep", "runs/b"]);
    assert.deepEqual(await listed(store, "none/"), []);
    for await (const object of store.list("packs/ab")) {
      assert.equal(object.size, 8);
      assert.ok(object.modifiedMs > 0);
    }
  });

  each("what is deleted is gone, and may come again", async (store) => {
    await store.put("runs/d", Buffer.from("one"));
    await store.get("runs/d");
    assert.equal(await store.delete("runs/d"), true);
    assert.equal(await store.head("runs/d"), null);
    await assert.rejects(() => store.get("runs/d"), { reason: "OBJECT_MISSING" });
    assert.equal(await store.put("runs/d", Buffer.from("three")), "created");
    assert.equal(Buffer.from(await store.get("runs/d")).toString(), "three");
  });

  each("more objects than files may be open can be read in turns", async (store) => {
    for (let i = 0; i < 100; i++) await store.put(`packs/${i}`, Buffer.from(`content ${i}`));
    for (let i = 0; i < 200; i++) {
      const bytes = await store.get(`packs/${i % 100}`, { offset: 8, length: 10 });
      assert.equal(Buffer.from(bytes).toString(), `${i % 100}`);
    }
  });

  test(`${driver}: closing twice is harmless`, async () => {
    const store = await empty();
    await store.put("runs/a", Buffer.from("x"));
    await store.get("runs/a");
    await store.close();
    await store.close();
  });
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

async function listed(store: Store, prefix: string): Promise<string[]> {
  const objects: ObjectInfo[] = [];
  for await (const object of store.list(prefix)) objects.push(object);
  return objects.map(({ key }) => key);
}
