import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect, fakeCluster } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { manualClock, notFound } from "@sheaf/runtime";
import { jobOfNewestCommit } from "./newest-job.ts";

const { PROCESSING, SUCCEEDED } = api.JobState;

interface Scene {
  /** Head of the pipeline's input; empty: no commit. */
  readonly head: string;
  readonly state?: api.PipelineState;
  /** The newest job at each look, and from the last on: its id, its input, its state. */
  readonly jobs: readonly (readonly [string, string, api.JobState] | null)[];
  readonly timeoutMs?: number;
}

/** Which job is chosen, in virtual time. */
async function chosen({
  head,
  state = api.PipelineState.RUNNING,
  jobs,
  timeoutMs = Number.POSITIVE_INFINITY,
}: Scene): Promise<{ id: string; tookMs: number }> {
  let looks = 0;
  await using cluster = await fakeCluster({
    repo: { inspectRepo: async () => ({ repo: { branches: head === "" ? [] : [{ name: "master", head }] } }) },
    pipeline: { inspectPipeline: async () => ({ pipeline: { state, spec: { input: { pfs: { repo: "in" } } } } }) },
    job: {
      inspectJob: async () => {
        const job = jobs[Math.min(looks++, jobs.length - 1)];
        if (!job) throw notFound("JOB_NOT_FOUND", "no job yet");
        return { job: { id: job[0], inputs: [{ commit: job[1] }], state: job[2] } };
      },
    },
  });
  const client = connect(cluster.address);
  const clock = manualClock();
  // Sleeps are over at once; only their time goes by.
  const quick = { ...clock, sleep: (ms: number) => clock.advance(ms) };
  try {
    const id = await jobOfNewestCommit(client, "p", {
      clock: quick,
      signal: new AbortController().signal,
      say: () => {},
      timeoutMs,
    });
    return { id, tookMs: clock.now() };
  } finally {
    client.close();
  }
}

describe("jobOfNewestCommit", () => {
  it("is the newest job when that has the newest commit", async () => {
    assert.deepEqual(await chosen({ head: "c2", jobs: [["new", "c2", PROCESSING]] }), { id: "new", tookMs: 0 });
  });

  it("is waited for while the newest job is an older one, over or not", async () => {
    const old = ["old", "c1", SUCCEEDED] as const;
    assert.equal((await chosen({ head: "c2", jobs: [old, old, ["new", "c2", PROCESSING]] })).id, "new");
    const busy = Array.from({ length: 100 }, () => ["old", "c1", PROCESSING] as const);
    assert.equal((await chosen({ head: "c2", jobs: [...busy, ["new", "c2", PROCESSING]] })).id, "new");
  });

  it("is the newest job in the end when none comes, and at once when none can", async () => {
    const jobs = [["old", "c1", SUCCEEDED] as const];
    const late = await chosen({ head: "c2", jobs });
    assert.equal(late.id, "old");
    assert.ok(late.tookMs >= 15_000);
    assert.equal((await chosen({ head: "c2", jobs, state: api.PipelineState.STOPPED })).tookMs, 0);
    assert.equal((await chosen({ head: "", jobs })).tookMs, 0);
  });

  it("is waited for no longer than the caller wants", async () => {
    const message = 'the job of the newest commit of pipeline "p" had not begun after 2 s';
    for (const jobs of [[null], [["old", "c1", PROCESSING] as const]])
      await assert.rejects(chosen({ head: "c2", jobs, timeoutMs: 2_000 }), { code: "DEADLINE_EXCEEDED", message });
  });

  it("says what to do when there is no job and none will come", async () => {
    await assert.rejects(chosen({ head: "", jobs: [null] }), {
      reason: "NO_JOB",
      message: /put files: sheaf file put in@master/,
    });
    const stopped = { head: "c1", jobs: [null], state: api.PipelineState.STOPPED };
    await assert.rejects(chosen(stopped), { reason: "NO_JOB", message: /it is stopped: sheaf pipeline start p/ });
    assert.equal((await chosen({ head: "c1", jobs: [null, null, ["first", "c1", PROCESSING]] })).id, "first");
  });
});
