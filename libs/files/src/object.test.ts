import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api, store } from "@sheaf/proto";
import { memoryStore } from "@sheaf/storage";
import { utf8 } from "./bytes.ts";
import { readLog, writeLog } from "./logs.ts";
import { getMessage, messageTableRef, objectOf, putMessage } from "./object.ts";
import { PackWriter } from "./pack/pack-writer.ts";

const cuts = create(store.CutsSchema, {
  version: 1,
  points: [{ path: "/a", key: utf8("k") }],
});

test("a message comes back, and is named by its bytes", async () => {
  const target = memoryStore();
  const ref = await putMessage(target, "cuts", store.CutsSchema, cuts);
  assert.match(ref.key, /^cuts\/[0-9a-f]{64}$/);
  assert.deepEqual(await putMessage(target, "cuts", store.CutsSchema, cuts), ref);
  assert.deepEqual(await getMessage(target, store.CutsSchema, ref), cuts);
  const table = messageTableRef(ref);
  assert.equal(BigInt(table.footerSize), ref.size);
  assert.equal(Buffer.from(table.footerSha256).toString("hex"), ref.key.slice(5));
  assert.deepEqual(objectOf(table), ref);
});

test("other bytes under its name are DATA_LOSS", async () => {
  const target = memoryStore();
  const ref = await putMessage(target, "cuts", store.CutsSchema, cuts);
  await target.delete(ref.key);
  await assert.rejects(() => getMessage(target, store.CutsSchema, ref), {
    reason: "OBJECT_MISSING",
  });
  await target.put(ref.key, Buffer.from("other"));
  await assert.rejects(() => getMessage(target, store.CutsSchema, ref), {
    code: "DATA_LOSS",
    reason: "OBJECT_CORRUPT",
  });
});

test("a log comes back line by line; an empty one is none", async () => {
  const target = memoryStore();
  const pack = new PackWriter(target);
  const line = (text: string) =>
    create(store.LogLineSchema, {
      text: Buffer.from(text),
      attempt: 2,
      stream: api.LogStream.STDERR,
      time: { seconds: 5n },
    });
  const ref = writeLog(pack, [line("one"), line("\u00ff two")]);
  assert.equal(writeLog(pack, []), undefined);
  await pack.close();
  assert.deepEqual(
    [...(await readLog(target, ref))].map(({ text }) => Buffer.from(text).toString()),
    ["one", "\u00ff two"],
  );
  assert.deepEqual([...(await readLog(target, undefined))], []);
});
