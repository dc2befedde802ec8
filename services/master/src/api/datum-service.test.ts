import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { api, dispatch, state, store } from "@sheaf/proto";
import type { SheafError } from "@sheaf/runtime";
import { Told } from "../datums/told.ts";
import { datumIdOf } from "../job-objects.test-kit.ts";
import { context, encode, message, type TestCluster, type TestMaster, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();
const { DatumState, JobState } = api;
const PATHS = Array.from({ length: 10 }, (_, i) => `/file-${i}`);

/** A job of ten datums: 2 to 4 are done (3 has failed), 6 and 7 are in a worker's hands. */
async function halfDone(cluster: TestCluster) {
  const master = await cluster.master();
  await master.createRepo("in");
  await master.put("in", { "/a": "1" });
  await master.createPipeline("words", "in");
  const { id } = await master.jobIn("words", JobState.PLANNING);
  await (await master.dispatcher.ledger(id, "plan")).commit({
    start: 0,
    end: 1,
    result: await master.planOf(id, PATHS),
  });
  const process = await master.dispatcher.ledger(id, "process");
  const run = await master.runOf(id, 2, [
    { path: "/file-2", says: ["two", "lines"] },
    { path: "/file-3", state: DatumState.FAILED, tries: 3, reason: "EXIT_1", message: "exit code 1", says: ["boom"] },
    { path: "/file-4", says: ["four"] },
  ]);
  await process.commit({ start: 2, end: 5, result: run, totals: { succeeded: 2n, failed: 1n, firstFailed: 3n } });
  const claim = message(state.ClaimRecordSchema, { version: 1, worker: "worker-9", start: 6n, end: 8n });
  const value = encode(state.ClaimRecordSchema, claim);
  await cluster.etcd.txn({ compare: [], then: [{ put: master.world.keys.claim(id, "process", "c1"), value }] });
  return { master, id, process };
}

const list = (master: TestMaster, fields = {}) =>
  master.datums.listDatums(message(api.ListDatumsRequestSchema, { pipeline: "words", ...fields }));
const inspect = async (master: TestMaster, datum: string) =>
  (await master.datums.inspectDatum(message(api.InspectDatumRequestSchema, { pipeline: "words", datum }))).datum;

async function logs(master: TestMaster, fields = {}) {
  const lines: string[] = [];
  const request = message(api.GetLogsRequestSchema, { pipeline: "words", ...fields });
  for await (const said of master.datums.getLogs(request, context())) {
    for (const line of said.lines) lines.push(`${line.datum} ${Buffer.from(line.text)}`);
  }
  return lines;
}

describe("ListDatums", () => {
  it("shows all of them in order, those that are done, held and waiting", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await halfDone(cluster);
    const { datums } = await list(master);
    assert.deepEqual(
      datums.map((datum) => datum.index),
      PATHS.map((_, i) => BigInt(i)),
    );
    assert.deepEqual(
      datums.map((datum) => datum.inputs),
      PATHS.map((path) => [path]),
    );
    assert.deepEqual(
      datums.map((datum) => datum.id),
      PATHS.map(datumIdOf),
    );
    const { WAITING: w, STARTING: s, SUCCESS: ok, FAILED: bad } = DatumState;
    assert.deepEqual(
      datums.map((datum) => datum.state),
      [w, w, ok, bad, ok, w, s, s, w, w],
    );
    assert.deepEqual([datums[3]?.tries, datums[3]?.reason, datums[3]?.message], [3, "EXIT_1", "exit code 1"]);
    assert.deepEqual([datums[2]?.worker, datums[6]?.worker, datums[0]?.worker], ["worker-1", "worker-9", ""]);
  });

  it("goes page by page, and by state", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await halfDone(cluster);
    const indexes = async (fields: object) => {
      const seen: number[] = [];
      for (let token = ""; ; ) {
        const page = await list(master, { ...fields, page: { size: 3, token } });
        seen.push(...page.datums.map((datum) => Number(datum.index)));
        token = page.nextPageToken;
        if (token === "") return seen;
      }
    };
    assert.deepEqual(await indexes({}), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(await indexes({ states: [DatumState.FAILED] }), [3]);
    assert.deepEqual(await indexes({ states: [DatumState.WAITING, DatumState.SUCCESS] }), [0, 1, 2, 4, 5, 8, 9]);
    assert.deepEqual(await indexes({ states: [DatumState.SKIPPED] }), []);
    await assert.rejects(list(master, { page: { token: "!" } }), {
      code: "INVALID_ARGUMENT",
      reason: "PAGE_TOKEN_INVALID",
    });
  });

  it("shows the same from the archive", async () => {
    await using cluster = await etcd.cluster();
    const { master, id, process } = await halfDone(cluster);
    await process.commit({
      start: 0,
      end: 2,
      result: await master.runOf(id, 0, [{ path: "/file-0" }, { path: "/file-1" }]),
    });
    await process.commit({
      start: 5,
      end: 10,
      result: await master.runOf(
        id,
        5,
        PATHS.slice(5).map((path) => ({ path })),
      ),
    });
    await master.jobWhen("words", (record) => record.archive !== undefined, id);
    const { datums } = await list(master);
    assert.deepEqual(
      datums.map((datum) => datum.id),
      PATHS.map(datumIdOf),
    );
    assert.deepEqual(
      datums.filter((datum) => datum.state !== DatumState.SUCCESS).map((datum) => datum.index),
      [3n],
    );
  });

  it("says of what a job left undone that it ended before", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await halfDone(cluster);
    const why = async () => (await list(master)).datums.map((datum) => datum.message);
    assert.deepEqual((await why()).slice(0, 4), ["", "", "", "exit code 1"]);
    await master.jobs.stopJob(message(api.StopJobRequestSchema, { pipeline: "words", job: id }));
    const undone = "it was not done: the job ended before";
    assert.deepEqual((await why()).slice(0, 4), [undone, undone, "", "exit code 1"]);
    assert.equal((await inspect(master, "9")).message, undone);
  });

  it("shows nothing of a job that is not planned", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    await master.createRepo("in");
    await master.createPipeline("words", "in");
    await assert.rejects(list(master), { code: "NOT_FOUND" });
    await master.put("in", { "/a": "1" });
    await master.jobIn("words", JobState.PLANNING);
    assert.deepEqual((await list(master)).datums, []);
    await assert.rejects(inspect(master, "0"), { code: "FAILED_PRECONDITION", reason: "JOB_NOT_PLANNED" });
  });
});

describe("InspectDatum", () => {
  it("finds a datum by index, id, or the beginning of its id", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await halfDone(cluster);
    for (const named of ["3", datumIdOf("/file-3"), datumIdOf("/file-3").slice(0, 8)]) {
      const datum = await inspect(master, named);
      assert.deepEqual([datum.index, datum.state], [3n, DatumState.FAILED]);
    }
    assert.deepEqual(
      [(await inspect(master, "0")).state, (await inspect(master, "9")).state],
      [DatumState.WAITING, DatumState.WAITING],
    );
  });

  it("says what it cannot find", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await halfDone(cluster);
    await assert.rejects(inspect(master, "10"), { code: "NOT_FOUND", message: /10 datums, 0 to 9/ });
    await assert.rejects(inspect(master, "0123456789abcdef"), { code: "NOT_FOUND", reason: "DATUM_NOT_FOUND" });
    for (const named of ["", "abc", "-1", "../x", "1e3"])
      await assert.rejects(inspect(master, named), { code: "INVALID_ARGUMENT" });
  });
});

describe("GetLogs", () => {
  it("gives what was written, of all datums or one, all of it or its end", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await halfDone(cluster);
    assert.deepEqual(await logs(master), ["2 two", "2 lines", "3 boom", "4 four"]);
    assert.deepEqual(await logs(master, { datum: "3" }), ["3 boom"]);
    assert.deepEqual(await logs(master, { datum: "0" }), []);
    assert.deepEqual(await logs(master, { tail: 3 }), ["2 lines", "3 boom", "4 four"]);
    assert.deepEqual(await logs(master, { datum: datumIdOf("/file-2"), tail: 1 }), ["2 lines"]);
    assert.deepEqual(await logs(master, { tail: 100 }), ["2 two", "2 lines", "3 boom", "4 four"]);
    await assert.rejects(logs(master, { job: "01m82zj4rd8yppba72mwg90p1w" }), { code: "NOT_FOUND" });
  });
});

describe("GetLogs, filtered", () => {
  it("by worker, time, stream and try, and refuses what makes no sense with its field", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await halfDone(cluster);
    assert.deepEqual(await logs(master, { worker: "worker-1" }), ["2 two", "2 lines", "3 boom", "4 four"]);
    assert.deepEqual(await logs(master, { worker: "worker-12" }), []);
    assert.deepEqual(await logs(master, { datum: "/file-3" }), ["3 boom"]);
    assert.deepEqual(await logs(master, { stream: api.LogStream.STDERR }), []);
    assert.deepEqual(await logs(master, { attempt: 7 }), []);
    assert.deepEqual(await logs(master, { since: timestampFromMs(Date.now() + 3_600_000) }), []);
    const bad = { tail: 10_001, worker: "../etc/x", stream: 9, resume: "!" };
    for (const [field, value] of Object.entries(bad)) {
      await assert.rejects(logs(master, { [field]: value }), (error: SheafError) => {
        assert.deepEqual([error.code, error.reason], ["INVALID_ARGUMENT", "LOGS_INVALID"]);
        assert.ok(JSON.stringify(error.details).includes(`"field":"${field}"`), field);
        return true;
      });
    }
    const token = new Told("01m82zj4rd8yppba72mwg90p1w").token();
    await assert.rejects(logs(master, { follow: true, resume: token, job: id }), { reason: "LOGS_INVALID" });
  });
});

describe("GetLogs, followed", () => {
  const line = (text: string, end: number) =>
    message(store.LogLineSchema, { text: Buffer.from(text), end: BigInt(end), attempt: 1 });
  const live = (index: number, ...lines: ReturnType<typeof line>[]) =>
    message(dispatch.LiveLogSchema, { claim: "c1", index: BigInt(index), follow: 1, log: 1n, lines });
  const request = (fields: object) => message(api.GetLogsRequestSchema, { pipeline: "words", follow: true, ...fields });

  it("tells what is done, then what comes, each once; a token goes on behind it; the end of the job ends it", async () => {
    await using cluster = await etcd.cluster();
    const { master, id, process } = await halfDone(cluster);
    const ownership = master.dispatcher.ownership("words") ?? assert.fail();
    const texts = (answer: IteratorResult<api.GetLogsResponse | object>) =>
      ((answer.value as api.GetLogsResponse).lines ?? []).map(({ datum, text }) => `${datum} ${Buffer.from(text)}`);
    const told = master.datums.getLogs(request({}), context())[Symbol.asyncIterator]();
    assert.deepEqual(texts(await told.next()), ["2 two", "2 lines", "3 boom", "4 four"]);
    const next = told.next();
    for (const follower of ownership.followers) {
      follower({ job: "another", worker: "worker-9", live: live(6, line("not ours", 9)) });
      follower({ job: id, worker: "worker-9", live: live(6, line("a", 2), line("b", 4)) });
      follower({ job: id, worker: "worker-9", live: live(6, line("a", 2), line("b", 4), line("c", 6)) });
      follower({ job: id, worker: "worker-9", live: live(3, line("late", 900)) });
    }
    const answer = await next;
    assert.deepEqual(texts(answer), ["6 a", "6 b", "6 c"]);
    await told.return?.(undefined);
    assert.equal(ownership.followers.size, 0);
    const { resume } = answer.value as api.GetLogsResponse;
    const again = master.datums.getLogs(request({ resume }), context())[Symbol.asyncIterator]();
    const more = again.next();
    while (ownership.followers.size === 0) await new Promise((resolve) => setImmediate(resolve));
    const plain = (from: number, to: number) => PATHS.slice(from, to).map((path) => ({ path }));
    await process.commit({ start: 0, end: 2, result: await master.runOf(id, 0, plain(0, 2)) });
    const rest = [...plain(5, 6), { path: "/file-6", says: ["d"] }, ...plain(7, 10)];
    await process.commit({ start: 5, end: 10, result: await master.runOf(id, 5, rest) });
    assert.deepEqual(texts(await more), [], "a sign of life");
    assert.deepEqual(texts(await again.next()), ["6 d"]);
    assert.equal((await again.next()).done, true);
    assert.equal(ownership.followers.size, 0);
  });

  it("cuts a caller who does not read, and holds no more for it", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await halfDone(cluster);
    const ownership = master.dispatcher.ownership("words") ?? assert.fail();
    const gone = new AbortController();
    let cuts = 0;
    const cut = () => {
      cuts++;
      gone.abort();
    };
    const told = master.datums.getLogs(request({}), context({ cut, signal: gone.signal }))[Symbol.asyncIterator]();
    await told.next(); // and no more
    const text = "x".repeat(64 * 1024);
    for (let i = 1; i <= 100; i++) {
      for (const follower of ownership.followers)
        follower({ job: id, worker: "worker-9", live: live(6, line(text, i)) });
    }
    assert.deepEqual([cuts, ownership.followers.size], [1, 0]);
  });
});

describe("RestartDatum", () => {
  const restart = async (master: TestMaster, ...datums: string[]) => {
    const request = message(api.RestartDatumRequestSchema, { pipeline: "words", datums });
    return (await master.datums.restartDatum(request)).datums.map(({ index }) => index);
  };

  it("has those begin again that run, by index, id or path, and shows when they began", async () => {
    await using cluster = await etcd.cluster();
    const { master, process } = await halfDone(cluster);
    const { clock } = master.world;
    process.runs(6, 8, [{ index: 6, sinceMs: clock.now() - 5_000, progress: "40 %" }]);
    const { started: began, progress } = await inspect(master, "6");
    assert.equal(progress, "40 %");
    assert.ok(began !== undefined && Math.abs(timestampMs(began) - (clock.wall() - 5_000)) < 2_000);
    assert.equal((await inspect(master, "7")).started, undefined);
    assert.deepEqual(await restart(master, "6", datumIdOf("/file-6"), "/file-6"), [6n]);
    assert.deepEqual(master.dispatcher.ownership("words")?.restarted, [6]);
  });

  it("refuses those that do not run, and says what they do; then none is restarted", async () => {
    await using cluster = await etcd.cluster();
    const { master, process } = await halfDone(cluster);
    process.runs(6, 8, [{ index: 6, sinceMs: 0 }]);
    const rows: readonly [string, RegExp][] = [
      ["3", /datum 3 does not run: it is over, with FAILED/],
      ["7", /datum 7 does not run: worker worker-9 has it, and does not run it now/],
      ["9", /datum 9 does not run: it waits for a worker/],
      ["/file-7", /no datum that runs now reads "\/file-7"/],
    ];
    for (const [datum, says] of rows) {
      const refused = { code: "FAILED_PRECONDITION", reason: "DATUM_NOT_RUNNING", message: says };
      await assert.rejects(restart(master, "6", datum), refused);
    }
    await assert.rejects(restart(master, "10"), { code: "NOT_FOUND" });
    await assert.rejects(restart(master), { code: "INVALID_ARGUMENT" });
    await assert.rejects(restart(master, ...Array(101).fill("6")), { code: "INVALID_ARGUMENT" });
    assert.deepEqual(master.dispatcher.ownership("words")?.restarted, []);
  });

  it("refuses datums of a job that is over", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await halfDone(cluster);
    await master.jobs.stopJob(message(api.StopJobRequestSchema, { pipeline: "words", job: id }));
    await assert.rejects(restart(master, "6"), { code: "FAILED_PRECONDITION", reason: "JOB_OVER" });
  });
});
