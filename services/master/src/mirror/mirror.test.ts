import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Etcd, type KeyValue, keysOf, type WatchHandler } from "@sheaf/etcd";
import { api, state } from "@sheaf/proto";
import { testLogger } from "@sheaf/runtime";
import { Jobs } from "./jobs.ts";
import { Mirror } from "./mirror.ts";

const keys = keysOf("test");
const head = (commit: string, version = 1) => create(state.HeadRecordSchema, { version, commit });
const kvOf = (key: string, record: state.HeadRecord, mod: bigint): KeyValue => ({
  key,
  value: toBinary(state.HeadRecordSchema, record),
  createRevision: 1n,
  modRevision: mod,
  version: 1n,
  lease: "0",
});

/** An etcd whose watch says what the test says. */
function watched() {
  let handler: WatchHandler = { snapshot() {}, events() {} };
  const etcd = {
    watch: (_prefix: string, given: WatchHandler) => {
      handler = given;
      return { ready: Promise.resolve(), close: async () => {} };
    },
  } as unknown as Etcd;
  return { etcd, say: () => handler };
}

async function mirrored() {
  const { etcd, say } = watched();
  const mirror = new Mirror({ etcd, log: testLogger(), prefix: keys.allHeads(), schema: state.HeadRecordSchema });
  await mirror.start();
  const told: string[] = [];
  mirror.onChange((key, kept) => told.push(`${key} ${kept?.record.commit ?? "-"}`));
  return { mirror, say: say(), told };
}

describe("Mirror", () => {
  it("follows the watch, and tells each change once", async () => {
    const { mirror, say, told } = await mirrored();
    say.snapshot([kvOf("a", head("1"), 5n)], 7n);
    say.events(
      [
        { type: "put", kv: kvOf("a", head("2"), 8n) },
        { type: "put", kv: kvOf("b", head("1"), 8n) },
      ],
      8n,
    );
    say.events([{ type: "delete", key: "b", modRevision: 9n }], 9n);
    assert.deepEqual(told, ["a 1", "a 2", "b 1", "b -"]);
    assert.deepEqual([mirror.size, mirror.get("a")?.record.commit], [1, "2"]);
  });

  it("takes a snapshot for the whole truth", async () => {
    const { mirror, say, told } = await mirrored();
    say.snapshot([kvOf("a", head("1"), 5n), kvOf("b", head("1"), 5n)], 7n);
    say.snapshot([kvOf("b", head("1"), 5n), kvOf("c", head("1"), 9n)], 10n);
    assert.deepEqual(told, ["a 1", "b 1", "a -", "c 1"]);
    assert.equal(mirror.size, 2);
  });

  it("learns what this process wrote before the watch tells it, once", async () => {
    const { mirror, say, told } = await mirrored();
    say.snapshot([], 7n);
    mirror.learn({ key: "a", record: head("1"), createRevision: 8n, modRevision: 8n });
    say.events([{ type: "put", kv: kvOf("a", head("1"), 8n) }], 8n);
    assert.deepEqual(told, ["a 1"]);
  });

  it("does not bring back what was deleted since", async () => {
    const { mirror, say } = await mirrored();
    say.snapshot([], 7n);
    say.events([{ type: "put", kv: kvOf("a", head("1"), 8n) }], 8n);
    say.events([{ type: "delete", key: "a", modRevision: 9n }], 9n);
    mirror.learn({ key: "a", record: head("1"), createRevision: 8n, modRevision: 8n });
    assert.equal(mirror.get("a"), undefined);
  });

  it("a late event does not undo what was learned after it", async () => {
    const { mirror, say } = await mirrored();
    say.snapshot([kvOf("a", head("1"), 5n)], 5n);
    mirror.learn({ key: "a", record: head("3"), createRevision: 5n, modRevision: 9n });
    say.events([{ type: "put", kv: kvOf("a", head("2"), 7n) }], 7n);
    assert.equal(mirror.get("a")?.record.commit, "3");
    say.snapshot([], 8n);
    assert.equal(mirror.get("a")?.record.commit, "3", "it is newer than the snapshot");
  });

  it("leaves out what it cannot read, and goes on", async () => {
    const { mirror, say } = await mirrored();
    say.snapshot([kvOf("a", head("1", 2), 5n), kvOf("b", head("1"), 5n)], 7n);
    assert.deepEqual([mirror.get("a"), mirror.get("b")?.record.commit], [undefined, "1"]);
  });
});

describe("Jobs", () => {
  it("knows the order of a pipeline's jobs, and which are open", async () => {
    const { etcd, say } = watched();
    const jobs = new Jobs({ etcd, keys, log: testLogger() } as never);
    await jobs.start();
    const job = (pipeline: string, id: string, fields: object, mod: bigint): KeyValue => {
      const record = create(state.JobRecordSchema, { version: 1, ...fields });
      const value = toBinary(state.JobRecordSchema, record);
      return { key: keys.job(pipeline, id), value, createRevision: 1n, modRevision: mod, version: 1n, lease: "0" };
    };
    const archive = { key: "archives/x", size: 1n };
    const { SUCCEEDED, PROCESSING, PLANNING } = api.JobState;
    say().snapshot(
      [
        job("p", "3", { state: PROCESSING }, 2n),
        job("p", "1", { state: SUCCEEDED, archive }, 2n),
        job("p", "2", { state: SUCCEEDED }, 2n),
        job("pq", "9", { state: PLANNING }, 2n),
      ],
      3n,
    );
    assert.deepEqual(
      [jobs.ids("p"), [...jobs.open("p")].sort()],
      [
        ["1", "2", "3"],
        ["2", "3"],
      ],
    );
    assert.deepEqual([jobs.before("p", "3"), jobs.before("p", "1"), jobs.before("p", "25")], ["2", undefined, "2"]);
    say().events([{ type: "put", kv: job("p", "2", { state: SUCCEEDED, archive }, 4n) }], 4n);
    assert.deepEqual([...jobs.open("p")], ["3"]);
    say().events([{ type: "delete", key: keys.job("p", "3"), modRevision: 5n }], 5n);
    assert.deepEqual([jobs.ids("p"), [...jobs.open("p")], jobs.newest("p")?.key], [["1", "2"], [], keys.job("p", "2")]);
    assert.deepEqual([...jobs.pipelines()], ["p", "pq"]);
  });
});
