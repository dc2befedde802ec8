import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api, state } from "@sheaf/proto";
import { encode, message, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();
const commitOf = (repo: string, ref = "") => message(api.InspectCommitRequestSchema, { commit: { repo, ref } });

describe("repos", () => {
  it("are created, inspected, listed by name and deleted", async () => {
    await using cluster = await etcd.cluster();
    const { repos, createRepo } = await bound(cluster);
    for (const name of ["b", "a", "ab"]) await createRepo(name);
    const listed = await repos.listRepos(message(api.ListReposRequestSchema, {}));
    assert.deepEqual(
      listed.repos.map((repo) => repo.name),
      ["a", "ab", "b"],
    );
    const some = await repos.listRepos(message(api.ListReposRequestSchema, { namePrefix: "a" }));
    assert.deepEqual(
      some.repos.map((repo) => repo.name),
      ["a", "ab"],
    );
    await repos.deleteRepo(message(api.DeleteRepoRequestSchema, { name: "a" }));
    const gone = repos.inspectRepo(message(api.InspectRepoRequestSchema, { name: "a" }));
    await assert.rejects(gone, { code: "NOT_FOUND", reason: "REPO_NOT_FOUND", message: /"a"/ });
    assert.equal((await repos.inspectRepo(message(api.InspectRepoRequestSchema, { name: "ab" }))).repo.name, "ab");
  });

  it("are listed page by page, each once", async () => {
    await using cluster = await etcd.cluster();
    const { repos, createRepo } = await bound(cluster);
    const names = Array.from({ length: 7 }, (_, i) => `repo-${i}`);
    for (const name of names) await createRepo(name);
    const seen: string[] = [];
    for (let token = ""; ; ) {
      const page = await repos.listRepos(message(api.ListReposRequestSchema, { page: { size: 3, token } }));
      assert.ok(page.repos.length <= 3);
      seen.push(...page.repos.map((repo) => repo.name));
      token = page.nextPageToken;
      if (token === "") break;
    }
    assert.deepEqual(seen, names);
    const garbage = repos.listRepos(message(api.ListReposRequestSchema, { page: { token: "no token" } }));
    await assert.rejects(garbage, { code: "INVALID_ARGUMENT", reason: "PAGE_TOKEN_INVALID" });
  });

  it("3 cannot be created twice", async () => {
    await using cluster = await etcd.cluster();
    const { createRepo } = await bound(cluster);
    await createRepo("a");
    await assert.rejects(createRepo("a"), { code: "ALREADY_EXISTS", reason: "REPO_EXISTS" });
  });

  it("20, 84: the same request id gives the same answer, and another request with it is refused", async () => {
    await using cluster = await etcd.cluster();
    const { repos } = await bound(cluster);
    const request = message(api.CreateRepoRequestSchema, { name: "a", requestId: "r/1\n" });
    const first = await repos.createRepo(request);
    assert.deepEqual(await repos.createRepo(request), first);
    const other = repos.createRepo(message(api.CreateRepoRequestSchema, { name: "b", requestId: "r/1\n" }));
    await assert.rejects(other, { code: "ALREADY_EXISTS", reason: "REQUEST_ID_REUSED" });
    const concurrent = message(api.CreateRepoRequestSchema, { name: "c", requestId: "r2" });
    const answers = await Promise.all([1, 2, 3, 4].map(() => repos.createRepo(concurrent)));
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
  });

  it("2 must have a name", async () => {
    await using cluster = await etcd.cluster();
    const { createRepo } = await bound(cluster);
    for (const name of ["", "A", "a/b", "..", "a\0", "a\n", "-a", "a".repeat(64), "‮a"]) {
      await assert.rejects(createRepo(name), { code: "INVALID_ARGUMENT" });
    }
  });

  it("that a pipeline reads or writes are not deleted, and it is named", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    await master.createRepo("in");
    await master.createPipeline("words", "in");
    const deletion = (name: string) => master.repos.deleteRepo(message(api.DeleteRepoRequestSchema, { name }));
    await assert.rejects(deletion("in"), {
      code: "FAILED_PRECONDITION",
      reason: "REPO_IS_READ",
      message: /pipeline "words"/,
    });
    await assert.rejects(deletion("words"), { code: "FAILED_PRECONDITION", reason: "REPO_OF_PIPELINE" });
  });

  it("100 a repo that a pipeline begins to read while it is deleted stays, or the pipeline is refused", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    for (let i = 0; i < 5; i++) {
      await master.createRepo(`in-${i}`);
      const results = await Promise.allSettled([
        master.repos.deleteRepo(message(api.DeleteRepoRequestSchema, { name: `in-${i}` })),
        master.createPipeline(`pipe-${i}`, `in-${i}`),
      ]);
      assert.equal(results.filter((each) => each.status === "fulfilled").length, 1);
    }
  });

  it("a record of a newer program is refused, not guessed at", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    const key = master.world.keys.repo("new");
    await cluster.etcd.txn({
      compare: [],
      then: [{ put: key, value: encode(state.RepoRecordSchema, message(state.RepoRecordSchema, { version: 2 })) }],
    });
    const inspected = master.repos.inspectRepo(message(api.InspectRepoRequestSchema, { name: "new" }));
    await assert.rejects(inspected, { code: "INTERNAL", reason: "RECORD_VERSION" });
  });
});

describe("commits and branches", () => {
  it("are listed newest first, of all branches or one", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    await master.createRepo("a");
    const ids: string[] = [];
    for (let i = 0; i < 5; i++)
      ids.unshift((await master.put("a", { "/f": String(i) }, { branch: i % 2 === 0 ? "even" : "odd" })).id);
    const all = await master.repos.listCommits(message(api.ListCommitsRequestSchema, { repo: "a" }));
    assert.deepEqual(
      all.commits.map((commit) => commit.id),
      ids,
    );
    const seen: string[] = [];
    for (let token = ""; ; ) {
      const page = await master.repos.listCommits(
        message(api.ListCommitsRequestSchema, { repo: "a", branch: "even", page: { size: 2, token } }),
      );
      seen.push(...page.commits.map((commit) => commit.id));
      token = page.nextPageToken;
      if (token === "") break;
    }
    assert.deepEqual(seen, [ids[0], ids[2], ids[4]]);
  });

  it("are named by branch, by id, or by the default branch", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    await master.createRepo("a");
    await assert.rejects(master.repos.inspectCommit(commitOf("a")), { code: "NOT_FOUND", reason: "BRANCH_NOT_FOUND" });
    const first = await master.put("a", { "/f": "1" }, { description: "the first" });
    const second = await master.put("a", { "/f": "2" });
    assert.equal(second.parent, first.id);
    assert.equal((await master.repos.inspectCommit(commitOf("a"))).commit.id, second.id);
    assert.equal((await master.repos.inspectCommit(commitOf("a", first.id))).commit.description, "the first");
    const unknown = master.repos.inspectCommit(commitOf("a", "01m82zj4rd8yppba72mwg90p1w"));
    await assert.rejects(unknown, { code: "NOT_FOUND", reason: "COMMIT_NOT_FOUND" });
    await assert.rejects(master.repos.inspectCommit(commitOf("b")), { code: "NOT_FOUND", reason: "REPO_NOT_FOUND" });
  });

  it("a branch is put on a commit of its repo, and on no other", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    await master.createRepo("a");
    await master.createRepo("b");
    const first = await master.put("a", { "/f": "1" });
    await master.put("a", { "/f": "2" });
    const other = await master.put("b", { "/f": "1" });
    const move = (branch: string, commit: string) =>
      master.repos.putBranch(message(api.PutBranchRequestSchema, { repo: "a", branch, commit }));
    assert.equal((await move("old", first.id)).branch.head, first.id);
    assert.equal((await move("master", first.id)).branch.head, first.id);
    const { repo } = await master.repos.inspectRepo(message(api.InspectRepoRequestSchema, { name: "a" }));
    assert.deepEqual(
      repo.branches.map(({ name, head }) => [name, head]),
      [
        ["master", first.id],
        ["old", first.id],
      ],
    );
    await assert.rejects(move("x", other.id), { code: "NOT_FOUND", reason: "COMMIT_NOT_FOUND" });
    await assert.rejects(move("x", "short"), { code: "INVALID_ARGUMENT" });
    await master.createPipeline("words", "a");
    const ofPipeline = master.repos.putBranch(
      message(api.PutBranchRequestSchema, { repo: "words", branch: "master", commit: first.id }),
    );
    await assert.rejects(ofPipeline, { code: "FAILED_PRECONDITION", reason: "REPO_OF_PIPELINE" });
  });
});

async function bound(cluster: Awaited<ReturnType<typeof etcd.cluster>>) {
  const master = await cluster.master();
  return { repos: master.repos, createRepo: (name: string) => master.createRepo(name) };
}
