import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStore } from "./memory-store.ts";
import { withRecentPuts } from "./recent-puts.ts";
import { storeSuite } from "./store.suite.ts";

const far = () => Object.assign(memoryStore(), { near: false });

storeSuite("a store that remembers", async () => withRecentPuts(far()));

/** A store that is far away, and the keys that were asked of it. */
function watched() {
  const store = far();
  const asked: string[] = [];
  const get: typeof store.get = (key, range) => {
    asked.push(key);
    return store.get(key, range);
  };
  return { asked, store: withRecentPuts({ ...store, get }) };
}

test("what was put is not asked of the server, and is nobody else's memory", async () => {
  const { asked, store } = watched();
  const bytes = Buffer.from("0123456789");
  await store.put("a/b", [bytes.subarray(0, 4), bytes.subarray(4)]);
  bytes.fill(0);
  const got = await store.get("a/b");
  assert.equal(Buffer.from(got).toString(), "0123456789");
  got.fill(0);
  assert.equal(Buffer.from(await store.get("a/b", { offset: 7, length: 9 })).toString(), "789");
  assert.deepEqual(asked, []);
});

test("large objects, streams, old ones and those that were deleted are asked for", async () => {
  const { asked, store } = watched();
  async function* stream() {
    yield Buffer.from("x");
  }
  await store.put("large", Buffer.alloc(65 * 1024));
  await store.put("stream", stream());
  await store.put("deleted", Buffer.from("x"));
  await store.delete("deleted");
  for (let i = 0; i < 65; i++) await store.put(`old${i}`, Buffer.alloc(64 * 1024, i));
  for (const key of ["large", "stream", "old0", "old1", "old64"]) await store.get(key);
  await assert.rejects(store.get("deleted"), { reason: "OBJECT_MISSING" });
  assert.deepEqual(asked, ["large", "stream", "old0", "deleted"]);
});
