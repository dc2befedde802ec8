/** How long nobody may answer: counted from when the connection broke, not from what came last. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { systemClock, unavailable } from "@sheaf/runtime";
import { connect, fakeCluster, type SheafClient } from "./index.ts";

const MINUTES = 600_000;
const gone = () => unavailable("DRAINING", "this master stops");

/** Breaks after its first message. */
function twice() {
  let calls = 0;
  return () => ++calls === 1;
}

const WATCHES: Record<string, (client: SheafClient) => AsyncIterable<unknown>> = {
  watchJob: (client) => client.watchJob("p"),
  watchCommits: (client) => client.watchCommits("a"),
  followLogs: (client) => client.followLogs({ pipeline: "p", job: "j" }),
};

describe("a caller that took long over what came last", () => {
  for (const [name, watch] of Object.entries(WATCHES))
    it(`is not told that nobody answers: ${name}`, async () => {
      const [isFirst, isFirstCommit, isFirstLog] = [twice(), twice(), twice()];
      await using cluster = await fakeCluster({
        job: {
          watchJob: async function* () {
            yield { job: { id: "j", state: api.JobState.PROCESSING } };
            if (isFirst()) throw gone();
            yield { job: { id: "j", state: api.JobState.SUCCEEDED } };
          },
        },
        repo: {
          watchCommits: async function* () {
            yield { commit: { id: "c" } };
            if (isFirstCommit()) throw gone();
          },
        },
        datum: {
          getLogs: async function* () {
            yield { lines: [{}] };
            if (isFirstLog()) throw gone();
          },
        },
      });
      let late = 0;
      const client = connect(cluster.address, { clock: { ...systemClock, now: () => systemClock.now() + late } });
      let count = 0;
      for await (const _ of watch(client)) {
        late += MINUTES; // what the caller does with it
        if (++count === 2) break;
      }
      client.close();
      assert.equal(count, 2);
    });
});
