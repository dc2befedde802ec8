import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { context, message, type TestMaster, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();

const watch = (master: TestMaster, fields: object = {}, within = {}) =>
  master.repos.watchCommits(message(api.WatchCommitsRequestSchema, { repo: "a", ...fields }), context(within));

/** The next message that has a commit. */
async function next(stream: ReturnType<typeof watch>) {
  for (;;) {
    const { done, value } = await stream.next();
    assert.ok(done !== true, "the stream ended");
    if (value.commit !== undefined) return { id: value.commit.id, resume: value.resume, gap: value.gap };
  }
}

async function begun(cluster: Awaited<ReturnType<typeof etcd.cluster>>) {
  const master = await cluster.master();
  await master.createRepo("a");
  let made = 0;
  return { master, put: async (branch = "master") => (await master.put("a", { "/f": `${made++}` }, { branch })).id };
}

describe("WatchCommits", () => {
  it("tells the newest, then each as it is made", async () => {
    await using cluster = await etcd.cluster();
    const { master, put } = await begun(cluster);
    const stream = watch(master);
    const first = next(stream);
    const id = await put(); // the branch did not exist
    assert.deepEqual([(await first).id, (await first).gap], [id, false]);
    for (let i = 0; i < 5; i++) assert.equal((await Promise.all([next(stream), put()]))[0].id.length, 26);
    await put("other");
    const last = await put();
    assert.equal((await next(stream)).id, last);
    await stream.return(undefined);
    assert.equal((await next(watch(master))).id, last);
  });

  it("107 goes on behind its resume, at another master, with what was made meanwhile, in order and each once", async () => {
    await using cluster = await etcd.cluster();
    const { master, put } = await begun(cluster);
    await put();
    const { resume } = await next(watch(master));
    const missed = [await put(), await put(), await put()];
    await master.stop();
    const other = await cluster.master();
    const again = watch(other, { resume });
    const told = [await next(again), await next(again), await next(again)];
    assert.deepEqual(
      told.map(({ id, gap }) => [id, gap]),
      missed.map((id) => [id, false]),
    );
  });

  it("says when the branch was put elsewhere", async () => {
    await using cluster = await etcd.cluster();
    const { master, put } = await begun(cluster);
    const old = await put();
    const newer = await put();
    const stream = watch(master);
    assert.equal((await next(stream)).id, newer);
    const moved = next(stream);
    await master.repos.putBranch(message(api.PutBranchRequestSchema, { repo: "a", branch: "master", commit: old }));
    assert.deepEqual([(await moved).id, (await moved).gap], [old, true]);
  });

  it("ends with the repo, with its caller and with its master", async () => {
    await using cluster = await etcd.cluster();
    const { master, put } = await begun(cluster);
    await put();
    const [drain, leave] = [new AbortController(), new AbortController()];
    const [deleted, drained, left] = [
      watch(master),
      watch(master, {}, { draining: drain.signal }),
      watch(master, {}, { signal: leave.signal }),
    ];
    for (const stream of [deleted, drained, left]) await next(stream);
    drain.abort();
    await assert.rejects(drained.next(), { code: "UNAVAILABLE", reason: "DRAINING" });
    leave.abort();
    assert.equal((await left.next()).done, true);
    const end = assert.rejects(next(deleted), { code: "NOT_FOUND", reason: "REPO_NOT_FOUND" });
    await master.repos.deleteRepo(message(api.DeleteRepoRequestSchema, { name: "a" }));
    await end;
  });

  it("refuses what is no resume of this branch", async () => {
    await using cluster = await etcd.cluster();
    const { master, put } = await begun(cluster);
    await put();
    const { resume } = await next(watch(master));
    for (const fields of [{ resume: "garbage" }, { resume: `${resume}A` }, { resume, branch: "other" }]) {
      await assert.rejects(watch(master, fields).next(), {
        code: "INVALID_ARGUMENT",
        reason: "RESUME_INVALID",
      });
    }
    await assert.rejects(watch(master, { repo: "nowhere" }).next(), { reason: "REPO_NOT_FOUND" });
  });
});
