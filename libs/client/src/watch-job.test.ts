import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import { notFound, unavailable } from "@sheaf/runtime";
import { connect, fakeCluster } from "./index.ts";

const { PROCESSING, SUCCEEDED, FAILED } = api.JobState;

/** What each call of WatchJob does, one after another: states, then an end or an error. */
function scripted(...calls: readonly (readonly (api.JobState | Error)[])[]) {
  const asked: string[] = [];
  const job: Handlers<typeof api.JobService> = {
    watchJob: async function* ({ pipeline, job: id }) {
      const steps = calls[asked.push(id) - 1] ?? [];
      for (const step of steps) {
        if (step instanceof Error) throw step;
        yield { job: { id: id || "newest", pipeline, state: step } };
      }
    },
  };
  return { asked, job };
}

const gone = () => unavailable("DRAINING", "this master stops");

describe("watchJob", () => {
  it("goes on with the same job when the stream breaks or ends early", async () => {
    const { asked, job } = scripted([PROCESSING, gone()], [], [gone()], [PROCESSING, FAILED, PROCESSING]);
    await using cluster = await fakeCluster({ job });
    const client = connect(cluster.address);
    const seen: api.JobState[] = [];
    for await (const { state } of client.watchJob("p")) seen.push(state);
    client.close();
    assert.deepEqual(seen, [PROCESSING, PROCESSING, FAILED]);
    assert.deepEqual(asked, ["", "newest", "newest", "newest"]);
  });

  it("tells the next master what it was told", async () => {
    const asked: string[] = [];
    const job: Handlers<typeof api.JobService> = {
      watchJob: async function* ({ resume }) {
        asked.push(resume);
        yield { job: { id: "j", state: asked.length < 3 ? PROCESSING : SUCCEEDED }, resume: `r${asked.length}` };
        yield { resume: `alive${asked.length}` };
        throw gone();
      },
    };
    await using cluster = await fakeCluster({ job });
    const client = connect(cluster.address);
    assert.equal((await client.waitJob("p")).state, SUCCEEDED);
    client.close();
    assert.deepEqual(asked, ["", "alive1", "alive2"]);
  });

  it("waits for the first job when it is told to, and else not", async () => {
    const none = () => notFound("JOB_NOT_FOUND", "no job yet");
    const patient = scripted([none()], [none()], [SUCCEEDED]);
    await using cluster = await fakeCluster(patient);
    const client = connect(cluster.address);
    assert.equal((await client.waitJob("p", { firstJobMs: 10_000 })).state, SUCCEEDED);
    client.close();
    await using other = await fakeCluster(scripted([none()]));
    const hasty = connect(other.address);
    await assert.rejects(hasty.waitJob("p"), { reason: "JOB_NOT_FOUND" });
    hasty.close();
  });

  it("throws UNAVAILABLE when nobody answers for too long, and any other error at once", async () => {
    const nobody = connect("127.0.0.1:1");
    await assert.rejects(nobody.waitJob("p", { unreachableMs: 50 }), {
      code: "UNAVAILABLE",
      message: /127\.0\.0\.1:1/,
    });
    nobody.close();
    await using cluster = await fakeCluster(scripted([notFound("PIPELINE_NOT_FOUND", "no pipeline")]));
    const client = connect(cluster.address);
    await assert.rejects(client.waitJob("p", { firstJobMs: 10_000 }), { reason: "PIPELINE_NOT_FOUND" });
    client.close();
  });
});

describe("waitJob", () => {
  const endless: Handlers<typeof api.JobService> = {
    watchJob: async function* (_, { signal }) {
      yield { job: { id: "j", state: PROCESSING } };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  };

  it("gives up at its deadline, and names it", async () => {
    await using cluster = await fakeCluster({ job: endless });
    const client = connect(cluster.address);
    await assert.rejects(client.waitJob("p", { timeoutMs: 100 }), {
      code: "DEADLINE_EXCEEDED",
      message: 'the job of pipeline "p" was not over after 0.1 s; it goes on',
    });
    client.close();
  });

  it("ends when its caller calls it off", async () => {
    await using cluster = await fakeCluster({ job: endless });
    const client = connect(cluster.address);
    const off = new AbortController();
    const waiting = client.waitJob("p", { signal: off.signal, onChange: () => off.abort() });
    await assert.rejects(waiting, { code: "CANCELLED" });
    client.close();
  });
});
