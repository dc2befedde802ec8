// Several masters and merge replicas: they share the pipelines, take over from each other, and each answers for all.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connectEtcd, type Etcd, keysOf } from "@sheaf/etcd";
import { readRecord, rightfulOwner } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { testLogger } from "@sheaf/runtime";
import { eventually, type ReplicaName, TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { COUNT_WORDS, wordCounts, wordFiles } from "../kit/tree.ts";

const KILLED_WITHIN_MS = 7_000;
const TOLD_WITHIN_MS = 1_000;
const N = 160;
const files = wordFiles(N, 50);
const keys = keysOf("default");

class Place implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly etcd: Etcd;
  readonly #connections: Connection[] = [];

  constructor(cluster: TestCluster, etcd: Etcd) {
    this.cluster = cluster;
    this.etcd = etcd;
  }

  static async start(): Promise<Place> {
    const env = { SHEAF_SHARD_BYTES_MIN: "1KiB" };
    const cluster = await TestCluster.startMany({ masters: 2, merges: 2, env });
    return new Place(cluster, await connectEtcd({ addresses: [cluster.etcdAddress], log: testLogger() }));
  }

  connection(master: ReplicaName): Connection {
    const connection = this.cluster.connection(master);
    this.#connections.push(connection);
    return connection;
  }

  /** The replica that owns a pipeline, or its merges; undefined: nobody now. */
  async owner(pipeline: string, service: "master" | "merge"): Promise<ReplicaName | undefined> {
    const key = service === "master" ? keys.owner(pipeline) : keys.mergeOwner(pipeline);
    const owner = await this.etcd.get(key);
    if (owner === null) return undefined;
    const { replica } = readRecord(state.OwnerRecordSchema, owner).record;
    const itself = await this.etcd.get(service === "master" ? keys.master(replica) : keys.merger(replica));
    return itself === null ? undefined : this.#named(readRecord(state.ReplicaRecordSchema, itself).record);
  }

  /** The master that shall own a pipeline, of those that live. */
  async rightful(pipeline: string): Promise<ReplicaName | undefined> {
    const { kvs } = await this.etcd.list(keys.masters());
    const id = rightfulOwner(
      pipeline,
      kvs.map((kv) => kv.key.slice(keys.masters().length)),
    );
    const itself = kvs.find((kv) => kv.key === keys.master(id ?? ""));
    return itself && this.#named(readRecord(state.ReplicaRecordSchema, itself).record);
  }

  #named({ dispatchAddress }: state.ReplicaRecord): ReplicaName | undefined {
    return this.cluster.replicas.find((name) => this.cluster.dispatchOf(name) === dispatchAddress);
  }

  async owned(pipeline: string, service: "master" | "merge"): Promise<ReplicaName> {
    let owner: ReplicaName | undefined;
    await eventually(async () => {
      owner = await this.owner(pipeline, service);
      return owner !== undefined;
    }, `${pipeline} has an owner`);
    return owner ?? assert.fail();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.close();
    await this.etcd.close();
    await this.cluster.stop();
  }
}

/** The one of two that is not this one. */
function other(name: ReplicaName): ReplicaName {
  const [service] = name.split("-");
  return name.includes("-") ? (service as "master" | "merge") : `${service as "master" | "merge"}-2`;
}

interface Running {
  readonly place: Place;
  /** By datum: how often its command began. */
  readonly executions: () => Map<string, number>;
}

/** A job of some seconds on two workers, a fifth of it done. Each command notes that it began. */
async function running(place: Place): Promise<Running> {
  const connection = place.connection("master");
  const notes = join(place.cluster.folder, "notes");
  const executions = () => {
    const counts = new Map<string, number>();
    for (const name of lines(notes)) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  };
  await putFiles(connection, "docs", files);
  await createPipeline(connection, {
    ...{ name: "count", repo: "docs", glob: "/docs/*", workers: 2, merge: api.MergeStrategy.SUM },
    script: `echo "$SHEAF_DATUM_ID" >> ${notes}; ${COUNT_WORDS}; sleep 0.1`,
  });
  await eventually(() => executions().size >= N / 5, "a fifth of the datums is executed");
  return { place, executions };
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n").slice(0, -1);
  } catch {
    return []; // nothing was executed yet
  }
}

/** The job succeeds, its result is right, and every datum was executed once: the workers lived through it all. */
async function onceEach({ place, executions }: Running, master: ReplicaName): Promise<void> {
  const connection = place.connection(master);
  assertSucceeded(await waitJob(connection, "count"));
  assert.equal((await readFiles(connection, "count")).get("/counts")?.toString(), wordCounts(files));
  const again = [...executions()].filter(([, count]) => count !== 1);
  assert.deepEqual([executions().size, again], [N, []]);
}

/** Resolves with the time, in milliseconds from now, at which a claim of any ledger is created after `from` has lost its owner key. */
async function dispatchedAfter(place: Place, pipeline: string, end: () => Promise<unknown>) {
  const began = performance.now();
  const taken = Promise.withResolvers<number>();
  const dispatched = Promise.withResolvers<number>();
  let isGone = false;
  let isTaken = false;
  const at = () => Math.round(performance.now() - began);
  const owner = place.etcd.watch(keys.owner(pipeline), {
    snapshot: () => {},
    events: (events) => {
      for (const event of events) {
        if (event.type === "delete") isGone = true;
        else if (isGone) {
          isTaken = true;
          taken.resolve(at());
        }
      }
    },
  });
  const claims = place.etcd.watch(keys.allLedgers(), {
    snapshot: () => {},
    events: (events) => {
      for (const event of events) {
        const isNew = event.type === "put" && event.kv.version === 1n && keys.parse(event.kv.key)?.of === "claim";
        if (isTaken && isNew) dispatched.resolve(at());
      }
    },
  });
  await Promise.all([owner.ready, claims.ready]);
  await end();
  const times = { takenMs: await taken.promise, dispatchedMs: await dispatched.promise };
  await Promise.all([owner.close(), claims.close()]);
  return times;
}

test("pipelines are shared, and any master answers for each of them", async (t: TestContext) => {
  await using place = await Place.start();
  const first = place.connection("master");
  await putFiles(first, "docs", wordFiles(4, 5));
  const owners = new Map<ReplicaName, string>();
  // The hash decides: one in two to the power of twenty to get none.
  for (let i = 0; i < 20 && owners.size < 2; i++) {
    const name = `p${i}`;
    const spec = { reprocessSpec: "every_job" };
    await createPipeline(first, { name, repo: "docs", glob: "/docs/*", script: "sleep 0.2", spec });
    owners.set(await place.owned(name, "master"), name);
  }
  t.diagnostic(`owners: ${JSON.stringify([...owners])}`);
  assert.deepEqual([...owners.keys()].toSorted(), ["master", "master-2"]);

  for (const [owner, name] of owners) {
    const wrong = place.connection(other(owner));
    const ran = await wrong.client(api.PipelineService).runPipeline({ name });
    const seen: api.Job[] = [];
    await waitJob(wrong, name, (job) => {
      seen.push(job);
      return job.state === api.JobState.SUCCEEDED && job.id === ran.job?.id;
    });
    assert.ok(
      seen.some((job) => job.dataInFlight > 0n && job.workers === 1),
      "a watch at the wrong master shows what only the owner knows",
    );
    const { job } = await wrong.client(api.JobService).inspectJob({ pipeline: name });
    assert.equal(job?.workers, 0, "it is over");
    const { pipeline } = await wrong.client(api.PipelineService).inspectPipeline({ name });
    assert.equal(pipeline?.workers, 1);
  }
  const { pipelines } = await first.client(api.PipelineService).listPipelines({});
  assert.deepEqual(new Set(pipelines.map((each) => each.workers)), new Set([1]));

  for (const [owner, name] of owners) {
    const wrong = place.connection(other(owner));
    await wrong.client(api.PipelineService).deletePipeline({ name });
    await assert.rejects(wrong.client(api.PipelineService).deletePipeline({ name }), { reason: "PIPELINE_NOT_FOUND" });
  }
});

test("datum restart at the master that does not own the pipeline is passed on", async (t: TestContext) => {
  await using place = await Place.start();
  const first = place.connection("master");
  await putFiles(first, "docs", wordFiles(1, 5));
  const [begun, go] = [join(place.cluster.folder, "begun"), join(place.cluster.folder, "go")];
  const script = `echo x >> ${begun}; [ -e ${go} ] || sleep 4000.05`;
  await createPipeline(first, { name: "hangs", repo: "docs", glob: "/docs/*", script });
  const owner = await place.owned("hangs", "master");
  t.diagnostic(`owner: ${owner}`);
  await eventually(() => lines(begun).length === 1, "the datum runs");
  writeFileSync(go, "");
  const datums = place.connection(other(owner)).client(api.DatumService);
  // A beat tells its owner that it runs.
  const isKnown = async () =>
    (await datums.inspectDatum({ pipeline: "hangs", datum: "0" })).datum?.started !== undefined;
  await eventually(isKnown, "its start is known at the wrong master");
  const restarted = await datums.restartDatum({ pipeline: "hangs", datums: ["0"] });
  assert.deepEqual(
    restarted.datums.map(({ index }) => index),
    [0n],
  );
  assertSucceeded(await waitJob(first, "hangs"));
  assert.equal(lines(begun).length, 2);
});

test("SIGKILL of the owning master: the other dispatches within 7 s, and nothing is executed twice", async (t: TestContext) => {
  await using place = await Place.start();
  const job = await running(place);
  const owner = await place.owned("count", "master");
  const workers = place.cluster.workerPids();
  const times = await dispatchedAfter(place, "count", () => place.cluster.end(owner, "SIGKILL"));
  t.diagnostic(`after SIGKILL of ${owner}: ${JSON.stringify(times)}`);
  assert.ok(times.dispatchedMs <= KILLED_WITHIN_MS, JSON.stringify(times));
  await onceEach(job, other(owner));
  assert.deepEqual(place.cluster.workerPids(), workers, "no worker was ended, none was started");
});

test("SIGTERM of the owning master: the other takes over at once, and nothing is executed twice", async (t: TestContext) => {
  await using place = await Place.start();
  const job = await running(place);
  const owner = await place.owned("count", "master");
  const workers = place.cluster.workerPids();
  let ended: Promise<void> | undefined;
  const times = await dispatchedAfter(place, "count", async () => {
    ended = place.cluster.end(owner, "SIGTERM");
  });
  await ended;
  t.diagnostic(`after SIGTERM of ${owner}: ${JSON.stringify(times)}`);
  assert.ok(times.takenMs <= TOLD_WITHIN_MS, JSON.stringify(times));
  await onceEach(job, other(owner));
  assert.deepEqual(place.cluster.workerPids(), workers, "no worker was ended, none was started");
});

test("a master that comes gets its share, in order, and the workers go over", async (t: TestContext) => {
  await using place = await Place.start();
  const job = await running(place);
  let owner = await place.owned("count", "master");
  for (;;) {
    // Each start is another replica, and so another hash.
    await place.cluster.end(other(owner), "SIGTERM");
    await place.cluster.run(other(owner));
    if ((await place.rightful("count")) === other(owner)) break;
    // An owner with a high hash would win against whoever comes: it goes, and the next to come meets one whose hash is lower.
    await place.cluster.end(owner, "SIGTERM");
    owner = await place.owned("count", "master");
  }
  await eventually(async () => (await place.owner("count", "master")) === other(owner), "the newcomer owns it");
  t.diagnostic(`from ${owner} to ${other(owner)}`);
  await onceEach(job, owner);
});

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  test(`${signal} of the merging replica: the other goes on`, async (t: TestContext) => {
    await using place = await Place.start();
    const job = await running(place);
    const owner = await place.owned("count", "merge");
    const began = await mergeBegins(place);
    const ended = place.cluster.end(owner, signal);
    const connection = place.connection("master");
    const done = waitJob(connection, "count");
    await eventually(async () => (await place.owner("count", "merge")) === other(owner), "the other merges");
    const takenMs = Math.round(performance.now() - began);
    t.diagnostic(`after ${signal} of ${owner}: taken after ${takenMs} ms`);
    assert.ok(takenMs <= (signal === "SIGKILL" ? KILLED_WITHIN_MS : TOLD_WITHIN_MS), `${takenMs} ms`);
    await done;
    await ended;
    await onceEach(job, "master");
  });
}

/** Resolves, with the time, when the merge of a job has been cut into shards. */
async function mergeBegins(place: Place): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const watch = place.etcd.watch(keys.allLedgers(), {
    snapshot: () => {},
    events: (events) => {
      for (const event of events) {
        const parsed = event.type === "put" ? keys.parse(event.kv.key) : undefined;
        if (parsed?.of === "ledger-meta" && parsed.kind === "merge") resolve(performance.now());
      }
    },
  });
  const at = await promise;
  await watch.close();
  return at;
}
