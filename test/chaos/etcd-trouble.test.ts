// etcd in trouble while a job runs, with three members and real services: the job goes on, or it waits, says for what, and then goes
// on. No trouble of etcd spends a user's try.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { publicConnection } from "@sheaf/rpc";
import { eventually, processesWith } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, newestJob, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { COUNT_WORDS, isTerminal, wordCounts, wordFiles } from "../kit/tree.ts";
import { Journal } from "./journal.ts";
import { Keeper } from "./keeper.ts";
import { sleep } from "./sleep.ts";
import { type Replica, World } from "./world.ts";

const N = 100;
/** Two seconds of datums that were done and not cut when an owner was lost, and those in hands. */
const AGAIN_MAX = 60;

let world: World;
let keeper: Keeper;
let connection: Connection;
let notes: string;
const ends: (() => Promise<void>)[] = [];

before(async () => {
  const folder = mkdtempSync(join(tmpdir(), "sheaf-etcd-trouble-"));
  const nemesis = new Journal(folder, "nemesis");
  // Small: one test fills it.
  const shape = { masters: 1, merges: 1, fsync: false, quotaBytes: 32 * 1024 * 1024 };
  world = await World.build(folder, shape, nemesis, (end) => ends.push(end));
  keeper = await Keeper.connect(world.members);
  world.startServices();
  connection = publicConnection(world.addresses[0] ?? "");
  notes = join(folder, "notes", "count");
  ends.push(async () => {
    connection.close();
    await keeper.close();
    await world.stopServices();
    for (const { pid } of world.workers()) process.kill(pid, "SIGKILL");
    await eventually(() => processesWith("services", folder).length === 0, "every service is gone");
    rmSync(folder, { recursive: true });
    nemesis.close();
  });
  await eventually(async () => (await isServing()) === true, "the master serves");
});

after(async () => {
  for (const end of ends.reverse()) await end();
});

async function isServing(): Promise<boolean> {
  try {
    await connection.client(api.RepoService).listRepos({});
    return true;
  } catch {
    return false;
  }
}

/** Executions of this file's commands so far. */
function executions(): number {
  try {
    return readFileSync(notes, "utf8").split("\n").length - 1;
  } catch {
    return 0;
  }
}

let round = 0;

/** A job of some five seconds on two workers, in the middle of which `trouble` happens; its result is right, each datum had one try. */
async function throughTrouble(trouble: () => Promise<void>): Promise<void> {
  const files = wordFiles(N, 30, 400 + round);
  const before = executions();
  const commit = await putFiles(connection, "docs", files);
  if (round++ === 0) {
    const script = `${COUNT_WORDS}; echo "$SHEAF_INPUT" >> ${notes}; sleep 0.08`;
    await createPipeline(connection, {
      ...{ name: "count", repo: "docs", glob: "/docs/*", script, workers: 2, merge: api.MergeStrategy.SUM },
      spec: { reprocessSpec: "every_job" },
    });
  }
  await eventually(() => executions() - before >= N / 4, "a quarter of the datums was executed");
  try {
    await trouble();
  } catch (error) {
    // Or every test that follows fails as well.
    await heal();
    throw error;
  }
  const job = await waitJob(
    connection,
    "count",
    (each) => isTerminal(each.state) && each.inputs[0]?.commit === commit.id,
  );
  assertSucceeded(job);
  assert.equal((await readFiles(connection, "count", job.outputCommit)).get("/counts")?.toString(), wordCounts(files));
  const { datums } = await connection
    .client(api.DatumService)
    .listDatums({ pipeline: "count", job: job.id, page: { size: N } });
  assert.equal(datums.length, N);
  assert.deepEqual(
    datums.filter(({ tries }) => tries !== 1),
    [],
  );
  assert.ok(executions() - before <= N + AGAIN_MAX, `${executions() - before} executions of ${N} datums`);
}

async function heal(): Promise<void> {
  for (const member of world.members) {
    member.signal("SIGCONT");
    member.start();
  }
  await Promise.all(world.replicas.flatMap(({ etcd }) => etcd.map((link) => link.set("pass"))));
}

/** Waits until the job says that it waits for this. */
async function waitsFor(pattern: RegExp): Promise<void> {
  let said = "";
  const isSo = async () => {
    said = (await newestJob(connection, "count")).waitingFor;
    return pattern.test(said);
  };
  await eventually(isSo, "").catch((cause) => {
    throw new Error(`it says that it waits for "${said}", not for ${pattern}`, { cause });
  });
}

async function leader() {
  const index = await keeper.leader();
  const member = world.members[index];
  assert.ok(member, "etcd has a leader");
  return { member, follower: world.members[(index + 1) % world.members.length] as typeof member };
}

test("a follower is killed, and comes back", () =>
  throughTrouble(async () => {
    const { follower } = await leader();
    await follower.end("SIGKILL");
    await sleep(2_000);
    follower.start();
  }));

test("the leader is killed, and comes back", () =>
  throughTrouble(async () => {
    const { member } = await leader();
    await member.end("SIGKILL");
    await sleep(3_000);
    member.start();
  }));

test("the leader is cut off from the others, and its clients are not", () =>
  throughTrouble(async () => {
    const { member } = await leader();
    const heal = await member.isolate();
    await sleep(4_000);
    await heal();
  }));

test("the quorum is frozen for 10 s: the job says that etcd does not answer", () =>
  throughTrouble(async () => {
    const frozen = world.members.slice(1);
    for (const member of frozen) member.signal("SIGSTOP");
    const begun = performance.now();
    await waitsFor(/^etcd does not answer: .* \(for \d+ s\)$/);
    await sleep(10_000 - (performance.now() - begun));
    for (const member of frozen) member.signal("SIGCONT");
  }));

test("all members are killed for 8 s: two are the quorum, and nothing answers", () =>
  throughTrouble(async () => {
    await Promise.all(world.members.map((member) => member.end("SIGKILL")));
    const begun = performance.now();
    await waitsFor(/^etcd does not answer: /);
    await sleep(8_000 - (performance.now() - begun));
    for (const member of world.members) member.start();
  }));

test("members are restarted one after another", () =>
  throughTrouble(async () => {
    for (const member of world.members) {
      await member.end("SIGTERM");
      member.start();
      await eventually(async () => (await keeper.leader()) >= 0, "etcd has a leader");
      await sleep(500);
    }
  }));

test("history is compacted while the watches of both services are cut off", () =>
  throughTrouble(async () => {
    const links = world.replicas.flatMap(({ etcd }) => etcd);
    await Promise.all(links.map((link) => link.set("black-hole")));
    // Something happens that they do not see, and its history goes.
    const outcome = await keeper.etcd.txn({ compare: [], then: [{ put: "/elsewhere", value: new Uint8Array(1) }] });
    assert.ok(outcome.kind === "applied");
    await keeper.compact(outcome.revision);
    await sleep(6_000);
    await Promise.all(links.map((link) => link.set("pass")));
  }));

test("etcd has no space: the job says so; after its keeper has made room it goes on", () =>
  throughTrouble(async () => {
    const junk = (i: number) => ({ put: `/junk/${i % 8}`, value: new Uint8Array(60_000) });
    for (let i = 0; ; i += 8) {
      const then = Array.from({ length: 8 }, (_, j) => junk(i + j));
      if ((await keeper.etcd.txn({ compare: [], then })).kind !== "applied") break;
    }
    await waitsFor(/^etcd has no space left: compact, defragment/);
    const { etcd } = keeper;
    const gone = await etcd.txn({ compare: [], then: [{ deletePrefix: "/junk/" }] });
    assert.ok(gone.kind === "applied", "deletes are taken");
    await keeper.compact(gone.revision);
    for (const [i] of world.members.entries()) await keeper.defragment(i);
    await keeper.outOfSpace(false);
  }));

test("the answers of etcd are lost for 3 s: what was written is found, and written once", () =>
  throughTrouble(async () => {
    const { etcd } = world.masters[0] as Replica;
    await Promise.all(etcd.map((link) => link.set("drop-responses")));
    await sleep(3_000);
    await Promise.all(etcd.map((link) => link.set("pass")));
  }));
