// Every unary call of the public API, in JSON as curl sends it, at either of two masters: what one says the other says as well.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import { TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, jobOf, putFiles, waitJob } from "../kit/pipelines.ts";
import { postJson } from "./json-post.ts";

const SERVICES = Object.values(api).filter((each) => "kind" in each && each.kind === "service");
const METHODS = SERVICES.flatMap(({ methods, name }) =>
  methods.map((method) => ({ ...method, rpc: `${name}/${method.name}` })),
);

let cluster: TestCluster;
let job: api.Job;
/** Of a job that has ended, so that it is the same for everybody. */
let commit: string;

const SPEC = {
  pipeline: { name: "copies" },
  transform: { cmd: ["sh", "-c", 'cp -r "$SHEAF_INPUT" "$SHEAF_OUT"'] },
  input: { pfs: { repo: "in", glob: "/*" } },
};

before(async () => {
  cluster = await TestCluster.startMany({ masters: 2 });
  const connection = cluster.connection();
  const made = await putFiles(
    connection,
    "in",
    new Map([
      ["/a", "1\n"],
      ["/b/c", "2\n"],
    ]),
  );
  commit = made.id;
  await connection.client(api.PipelineService).createPipeline({
    spec: {
      pipeline: { name: "words" },
      transform: SPEC.transform,
      input: { pfs: { repo: "in", glob: "/*" } },
    } as never,
  });
  job = await jobOf(connection, "words", made);
  assert.ok(job.id);
  connection.close();
});
after(() => cluster.stop());

/** What a call that only looks asks, and something that its answer has to hold. */
const LOOKS: Readonly<Record<string, () => readonly [JsonObject, RegExp]>> = {
  "ClusterService/InspectCluster": () => [{}, /"etcdVersion".*"replicas":\[.*\]/],
  "ClusterService/ListWorkers": () => [{ pipeline: "words" }, /"pipeline":"words"/],
  "DatumService/ListDatums": () => [{ pipeline: "words" }, /"state":"DATUM_STATE_SUCCESS"/],
  "DatumService/InspectDatum": () => [{ pipeline: "words", datum: "1" }, /"inputs":\["\/b"\]/],
  "FileService/ListFiles": () => [{ commit: { repo: "in" } }, /"path":"\/a".*FILE_KIND_FOLDER/],
  "FileService/GlobFiles": () => [{ commit: { repo: "in", ref: commit }, glob: "/**" }, /"path":"\/b\/c"/],
  "FileService/InspectFile": () => [{ commit: { repo: "in" }, path: "/a" }, /"bytes":"2"/],
  "JobService/InspectJob": () => [{ pipeline: "words" }, /"dataProcessed":"2"/],
  "JobService/ListJobs": () => [{ states: ["JOB_STATE_FAILED", "JOB_STATE_SUCCEEDED"] }, /"pipeline":"words"/],
  "PipelineService/InspectPipeline": () => [{ name: "words" }, /"version":"1".*"pool"/],
  "PipelineService/ListPipelines": () => [{ namePrefix: "w" }, /"name":"words".*"pool"/],
  "RepoService/InspectRepo": () => [{ name: "in" }, /"branches":\[.*"etag"/],
  "RepoService/ListRepos": () => [{ page: { size: 1_000 } }, /"name":"in".*"name":"words"/],
  "RepoService/InspectCommit": () => [{ commit: { repo: "in", ref: commit } }, /"files":"2"/],
  "RepoService/ListCommits": () => [{ repo: "in", branch: "master" }, /"branch":"master"/],
};

/** Calls that change something, or whose answer is another each time; in this order, in turn at one master and the other. */
const ACTS: Readonly<Record<string, () => readonly [JsonObject, RegExp]>> = {
  "FileService/GetFileUrl": () => [
    { commit: { repo: "in" }, path: "/a" },
    /"url":"http:\/\/127.0.0.1:\d+\/files\/in\//,
  ],
  "RepoService/CreateRepo": () => [{ name: "other", description: "ü", request_id: "r1" }, /"description":"ü"/],
  "RepoService/PutBranch": () => [{ repo: "in", branch: "kept", commit }, new RegExp(`"head":"${commit}"`)],
  "RepoService/DeleteRepo": () => [{ name: "other" }, /^{}$/],
  "PipelineService/CreatePipeline": () => [{ spec: SPEC }, /"name":"copies"/],
  "PipelineService/UpdatePipeline": () => [{ spec: { ...SPEC, salt: "2" } }, /"version":"2"/],
  "PipelineService/RunPipeline": () => [{ name: "copies" }, /"pipelineVersion":"2"/],
  "DatumService/RestartDatum": () => [{ pipeline: "words", job: job.id, datums: ["0"] }, /JOB_OVER/],
  "ClusterService/DrainWorker": () => [{ pipeline: "words", worker: "00000000" }, /WORKER_NOT_FOUND/],
  "JobService/StopJob": () => [{ pipeline: "words", job: job.id }, /"state":"JOB_STATE_SUCCEEDED"/],
  "PipelineService/StopPipeline": () => [{ name: "copies" }, /PIPELINE_STATE_STOPPED/],
  "PipelineService/StartPipeline": () => [{ name: "copies" }, /PIPELINE_STATE_RUNNING/],
  "PipelineService/DeletePipeline": () => [{ name: "copies" }, /^{}$/],
};

describe("the contract", () => {
  it("has no unary call that is not tried here", () => {
    const unary = METHODS.filter(({ methodKind }) => methodKind === "unary").map(({ rpc }) => rpc);
    assert.deepEqual([...Object.keys(LOOKS), ...Object.keys(ACTS)].sort(), unary.sort());
  });

  it("marks exactly the calls that only look", () => {
    const marked = METHODS.filter(({ idempotency }) => idempotency !== 0).map(({ name }) => name);
    const looks = METHODS.map(({ name }) => name).filter((name) => /^(Inspect|List|Get|Glob|Watch)/.test(name));
    assert.deepEqual(marked, looks);
  });

  it("pages every list, and lets every creation be repeated", () => {
    for (const { input, output, name } of METHODS) {
      const has = ({ fields }: typeof input, wanted: string) => fields.some((field) => field.name === wanted);
      const isList = /^(List|Glob)/.test(name);
      assert.deepEqual([has(input, "page"), has(output, "next_page_token")], [isList, isList], name);
      if (/^(Create|Run|Update|Put)/.test(name)) assert.ok(has(input, "request_id"), name);
      if (/^(Update|Put)/.test(name)) assert.ok(has(input, "etag"), name);
      if (name.startsWith("Watch")) assert.ok(has(input, "resume") && has(output, "resume"), name);
    }
  });
});

describe("every unary call in JSON", () => {
  for (const [rpc, ask] of Object.entries(LOOKS)) {
    it(`${rpc} is the same at both masters`, async () => {
      const [request, holds] = ask();
      const [here, there] = [
        await postJson(cluster.addressOf("master"), rpc, request),
        await postJson(cluster.addressOf("master-2"), rpc, request),
      ];
      assert.deepEqual([here.status, there.status], [200, 200], JSON.stringify([here.body, there.body]));
      assert.deepEqual(there.body, here.body);
      assert.match(JSON.stringify(here.body), holds);
    });
  }

  let turn = 0;
  for (const [rpc, ask] of Object.entries(ACTS)) {
    it(rpc, async () => {
      const [request, holds] = ask();
      const master = turn++ % 2 === 0 ? "master-2" : "master";
      const { body } = await postJson(cluster.addressOf(master), rpc, request);
      assert.match(JSON.stringify(body), holds);
    });
  }
});

describe("a watch", () => {
  it("107 survives the death of the master that served it, at another", async () => {
    const [first, second] = [cluster.connection("master"), cluster.connection("master-2")];
    const repos = first.client(api.RepoService);
    const commits = repos.watchCommits({ repo: "in", branch: "master" })[Symbol.asyncIterator]();
    const seen = (await commits.next()).value ?? assert.fail();
    assert.equal(seen.commit?.id, commit);
    const spec = {
      pipeline: { name: "slow" },
      transform: { cmd: ["sleep", "1"] },
      input: { pfs: { repo: "in", glob: "/*" } },
    };
    await first.client(api.PipelineService).createPipeline({ spec: spec as never });
    await waitJob(first, "slow", ({ state }) => state >= api.JobState.PROCESSING);
    const watch = first.client(api.JobService).watchJob({ pipeline: "slow" })[Symbol.asyncIterator]();
    const told = (await watch.next()).value ?? assert.fail();
    await cluster.end("master", "SIGKILL");
    await assert.rejects(
      async () => {
        for (let next = await watch.next(); next.done !== true; ) next = await watch.next();
      },
      { code: "UNAVAILABLE" },
    );
    const made = await putFiles(second, "in", new Map([["/d", "3\n"]]));

    let last: api.Job | undefined;
    let { resume } = told;
    while (last?.state !== api.JobState.SUCCEEDED) {
      try {
        for await (const message of second.client(api.JobService).watchJob({ pipeline: "slow", resume })) {
          resume = message.resume;
          last = message.job ?? last;
        }
      } catch (error) {
        assert.equal((error as { code?: string }).code, "UNAVAILABLE"); // the pipeline changes hands
      }
    }
    assert.equal(last.id, told.job?.id);
    assertSucceeded(last);
    const { resume: behind } = seen;
    for await (const { commit: next } of second.client(api.RepoService).watchCommits({ repo: "in", resume: behind })) {
      if (next === undefined) continue;
      assert.equal(next.id, made.id);
      break;
    }
    first.close();
    second.close();
    await cluster.run("master");
  });
});
