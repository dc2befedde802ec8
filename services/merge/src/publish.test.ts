// Publishing under every outcome of its transaction, without an etcd: keys in a map, outcomes by script.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type Change, type ChangeOutcome, type Compare, type KeyValue, keysOf } from "@sheaf/etcd";
import { type Ownership, RECORD_VERSION, writeRecord } from "@sheaf/ledger";
import { api, state, store } from "@sheaf/proto";
import { systemClock, testLogger } from "@sheaf/runtime";
import { memoryStore } from "@sheaf/storage";
import type { MergeDeps } from "./merging-job.ts";
import { readJob } from "./merging-job.ts";
import { endJob, type JobEnding, publish } from "./publish.ts";

const keys = keysOf("test");
const JOB = keys.job("pipe", "j");
const HEAD = keys.head("pipe", "master");
const COMMIT = keys.commit("pipe", "c1");

/** What becomes of a transaction beside what etcd would say. */
type Fate = "as it is" | "applied, unknown" | "never, unknown";

class World {
  readonly #keys = new Map<string, KeyValue>();
  #revision = 10n;
  fates: Fate[] = [];

  put(key: string, value: Uint8Array): void {
    this.#revision++;
    const createRevision = this.#keys.get(key)?.createRevision ?? this.#revision;
    this.#keys.set(key, { key, value, createRevision, modRevision: this.#revision, version: 1n, lease: "0" });
  }

  job(fields: MessageInitShape<typeof state.JobRecordSchema> = {}): void {
    const record = { version: RECORD_VERSION, state: api.JobState.MERGING, outputBranch: "master", outputCommit: "c1" };
    this.put(JOB, writeRecord(state.JobRecordSchema, create(state.JobRecordSchema, { ...record, ...fields })));
  }

  head(commit: string): void {
    const record = create(state.HeadRecordSchema, { version: RECORD_VERSION, commit });
    this.put(HEAD, writeRecord(state.HeadRecordSchema, record));
  }

  get deps(): MergeDeps {
    return {
      store: memoryStore(),
      keys,
      clock: systemClock,
      log: testLogger(),
      shardSize: { shardBytes: 1, shardBytesMin: 1 },
      etcd: { get: async (key) => this.#keys.get(key) ?? null },
      dispatcher: { workers: () => [] },
    };
  }

  get owner(): Ownership {
    return { pipeline: "pipe", submit: (change: Change) => this.#submit(change) } as unknown as Ownership;
  }

  get jobNow(): state.JobRecord {
    return fromBinary(state.JobRecordSchema, this.#keys.get(JOB)?.value ?? new Uint8Array());
  }

  get commitNow(): state.CommitRecord {
    return fromBinary(state.CommitRecordSchema, this.#keys.get(COMMIT)?.value ?? new Uint8Array());
  }

  get headNow(): string {
    return fromBinary(state.HeadRecordSchema, this.#keys.get(HEAD)?.value ?? new Uint8Array()).commit;
  }

  async #submit({ compare, ops }: Change): Promise<ChangeOutcome> {
    const fate = this.fates.shift() ?? "as it is";
    if (fate === "never, unknown") return { kind: "unknown" };
    if (!compare.every((one) => this.#holds(one))) {
      return { kind: "refused", current: compare.map(({ key }) => this.#keys.get(key) ?? null) };
    }
    for (const op of ops) {
      if ("put" in op) this.put(op.put, op.value);
      else this.#keys.delete(op.delete);
    }
    return fate === "as it is" ? { kind: "applied", revision: this.#revision } : { kind: "unknown" };
  }

  #holds(compare: Compare): boolean {
    const kv = this.#keys.get(compare.key);
    if (compare.target === "value") return false;
    return ((compare.target === "mod" ? kv?.modRevision : kv?.createRevision) ?? 0n) === compare.is;
  }
}

const manifest = create(store.ObjectRefSchema, { key: "commits/00", size: 1n });
const ending: JobEnding & { kind: "publish" } = {
  kind: "publish",
  manifest,
  rootHash: "00",
  files: 2n,
  bytes: 3n,
  shards: 1,
};

async function publishIn(world: World) {
  const kept = await readJob(world.deps, JOB);
  assert.ok(kept);
  return publish(world.deps, world.owner, kept, "j", ending);
}

for (const fate of ["as it is", "applied, unknown", "never, unknown"] satisfies Fate[]) {
  test(`publish(): commit, head and job change together when the write is ${fate}`, async () => {
    const world = new World();
    world.job();
    world.fates = [fate];
    const outcome = await publishIn(world);
    // After an unknown outcome the record itself says that it was published.
    assert.equal(outcome, fate === "applied, unknown" ? "over" : "published");
    assert.equal(world.headNow, "c1");
    assert.equal(world.jobNow.state, api.JobState.SUCCEEDED);
  });
}

test("publish(): a commit without some datums says so, and so does its job", async () => {
  const world = new World();
  world.job({ reason: "DATUMS_MISSING", message: "2 datums", datums: 9n, totals: { succeeded: 7n, failed: 2n } });
  assert.equal(await publishIn(world), "published");
  const { datumsMissing, description } = world.commitNow;
  assert.deepEqual([datumsMissing, description], [2n, "without 2 of 9 datums, which failed"]);
  const { state: now, reason } = world.jobNow;
  assert.deepEqual([now, reason], [api.JobState.SUCCEEDED, "DATUMS_MISSING"]);
});

test("publish(): a head that moved since the parent was fixed fails the job, and is named", async () => {
  const world = new World();
  world.job({ parentCommit: "c0" });
  world.head("other");
  assert.equal(await publishIn(world), "failed");
  assert.equal(world.headNow, "other");
  assert.equal(world.jobNow.reason, "HEAD_MOVED");
  assert.match(world.jobNow.message, /from c0 to other/);
});

test("publish(): a stop that came first wins, and the head stays", async () => {
  const world = new World();
  world.head("c0");
  world.job({ parentCommit: "c0" });
  const kept = await readJob(world.deps, JOB);
  assert.ok(kept);
  world.job({ parentCommit: "c0", state: api.JobState.STOPPED });
  assert.equal(await publish(world.deps, world.owner, kept, "j", ending), "over");
  assert.equal(world.headNow, "c0");
  assert.equal(world.jobNow.state, api.JobState.STOPPED);
});

test("endJob(): fails the job under its fence, once", async () => {
  const world = new World();
  world.job();
  const kept = await readJob(world.deps, JOB);
  assert.ok(kept);
  const failed = { kind: "failed", reason: "PATH_CONFLICT", message: "both wrote /a" };
  assert.equal(await endJob(world.deps, world.owner, kept, failed), "failed");
  assert.equal(await endJob(world.deps, world.owner, kept, { ...failed, reason: "OTHER" }), "over");
  assert.equal(world.jobNow.reason, "PATH_CONFLICT");
});
