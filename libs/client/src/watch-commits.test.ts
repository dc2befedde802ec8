import assert from "node:assert/strict";
import { it } from "node:test";
import type { api } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import { notFound, unavailable } from "@sheaf/runtime";
import { connect, fakeCluster } from "./index.ts";

it("watchCommits goes on behind the last commit when the stream breaks, and gives up on other errors", async () => {
  const asked: string[] = [];
  const repo: Handlers<typeof api.RepoService> = {
    watchCommits: async function* ({ resume }) {
      const call = asked.push(resume);
      if (call === 4) throw notFound("REPO_NOT_FOUND", "gone");
      if (call === 2) return; // the master went away politely
      yield { commit: { id: `c${call}` }, resume: `r${call}`, gap: call === 3 };
      yield { resume: `r${call}` };
      throw unavailable("DRAINING", "this master stops");
    },
  };
  await using cluster = await fakeCluster({ repo });
  const client = connect(cluster.address);
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { commit, resume, gap } of client.watchCommits("a", "b", { resume: "r0" }))
      seen.push(`${commit.id} ${resume} ${gap}`);
  })();
  await assert.rejects(watching, { code: "NOT_FOUND" });
  client.close();
  assert.deepEqual(seen, ["c1 r1 false", "c3 r3 true"]);
  assert.deepEqual(asked, ["r0", "r1", "r1", "r3"]);
});
