// Rows of the table of bad inputs that are no faults: what looks odd is taken, and both protocols say the same of it.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, jobOf, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { callGrpc } from "./call-grpc.ts";
import { errorOf, postJson } from "./json-post.ts";

let cluster: TestCluster;
let connection: Connection;

/** Names that mean something elsewhere, twins, nothing at all, and what would climb were it unpacked. */
const FILES = {
  "/a[1].txt": "1",
  "/a1.txt": "2",
  "/twin": "lower",
  "/TWIN": "upper",
  "/é": "composed",
  "/empty": "",
  "/archive.tar": "../../etc/passwd\0",
};
/** In one folder, and in one datum. */
const MANY = 20_000;

before(async () => {
  cluster = await TestCluster.start();
  connection = cluster.connection();
  await putFiles(connection, "odd", new Map(Object.entries(FILES)));
});
after(async () => {
  connection?.close();
  await cluster?.stop();
});

/** Asked over gRPC and over JSON: the one answer that both give. */
async function ask(rpc: string, request: JsonObject): Promise<JsonObject> {
  const told = (await callGrpc(connection, rpc, request)) as JsonObject;
  const { status, body } = await postJson(cluster.address, rpc, request);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(body, told);
  return told;
}

type Step = MessageInitShape<typeof api.ModifyFilesRequestSchema>;

interface Found {
  readonly path: string;
  readonly bytes?: string;
}

async function glob(pattern: string): Promise<string[]> {
  const { files = [] } = await ask("FileService/GlobFiles", { commit: { repo: "odd" }, glob: pattern });
  return (files as unknown as Found[]).map(({ path }) => path);
}

describe("files", () => {
  it("21 / is the whole repo, /* the top, ** every file", async () => {
    const all = Object.keys(FILES).sort();
    assert.deepEqual(await glob("/"), ["/"]);
    assert.deepEqual(await glob("/*"), all);
    assert.deepEqual(await glob("**"), all);
  });

  it("27 signs of a glob in a name are escaped by a backslash", async () => {
    assert.deepEqual(await glob("/a\\[1\\].txt"), ["/a[1].txt"]);
    assert.deepEqual(await glob("/a[1].txt"), ["/a1.txt"]);
  });

  it("29 a class is one of characters, and no case is folded", async () => {
    assert.deepEqual(await glob("/[à-ü]"), ["/é"]);
    assert.deepEqual(await glob("/[À-Ü]"), []);
    assert.deepEqual(await glob("/Twin"), []);
  });

  it("33 names that differ in case are two, in the order of their bytes", async () => {
    assert.deepEqual(await glob("/{twin,TWIN}"), ["/TWIN", "/twin"]);
  });

  it("35 nothing in a file is a file all the same", async () => {
    const { file } = await ask("FileService/InspectFile", { commit: { repo: "odd" }, path: "/empty" });
    assert.equal((file as JsonObject)["bytes"] ?? "0", "0");
    assert.equal((await readFiles(connection, "odd")).get("/empty")?.length, 0);
  });

  it("38 an archive is bytes: nobody unpacks it", async () => {
    assert.equal((await readFiles(connection, "odd")).get("/archive.tar")?.toString(), FILES["/archive.tar"]);
  });
});

it(`40 ${MANY} files in one folder are listed in pages, and one datum may have them all`, async () => {
  const name = (i: number) => `f${String(i).padStart(6, "0")}`;
  async function* steps(): AsyncGenerator<Step> {
    yield { message: { case: "open", value: { repo: "many" } } };
    for (let from = 0; from < MANY; from += 1_000) {
      const files = Array.from({ length: 1_000 }, (_, i) => ({
        path: `/d/${name(from + i)}`,
        content: Buffer.from("x"),
      }));
      yield { message: { case: "batch", value: { files } } };
    }
    yield { message: { case: "finish", value: {} } };
  }
  await connection.client(api.RepoService).createRepo({ name: "many" });
  const { commit } = await connection.client(api.FileService).modifyFiles(steps());
  assert.ok(commit);
  let seen = 0;
  let token = "";
  do {
    const page = { size: 1_000, ...(token !== "" && { token }) };
    const answer = await ask("FileService/ListFiles", { commit: { repo: "many" }, path: "/d", page });
    for (const { path } of answer["files"] as unknown as Found[]) assert.equal(path, `/d/${name(seen++)}`);
    token = (answer["nextPageToken"] as string | undefined) ?? "";
  } while (token !== "");
  assert.equal(seen, MANY);
  const script = 'ls "$SHEAF_INPUT/d" | wc -l >"$SHEAF_OUT/count"';
  await createPipeline(connection, { name: "count", repo: "many", glob: "/", script });
  assertSucceeded(await jobOf(connection, "count", commit));
  assert.equal((await readFiles(connection, "count")).get("/count")?.toString().trim(), String(MANY));
});

it("36 a job reads what its commit had, whatever is put and deleted while it runs", async () => {
  const before = await putFiles(connection, "moving", new Map(Object.entries({ "/a": "old ", "/b": "gone " })));
  const script = `until [ -e ${join(cluster.folder, "go")} ]; do sleep 0.05; done; cat "$SHEAF_INPUT" >>"$SHEAF_OUT/all"`;
  await createPipeline(connection, { name: "pinned", repo: "moving", glob: "/*", script });
  await waitJob(connection, "pinned", ({ state }) => state === api.JobState.PROCESSING);
  await putFiles(connection, "moving", new Map([["/a", "new "]]), ["/b"]);
  writeFileSync(join(cluster.folder, "go"), "");
  const job = await jobOf(connection, "pinned", before);
  assertSucceeded(job);
  assert.equal((await readFiles(connection, "pinned", job.outputCommit)).get("/all")?.toString(), "old gone ");
});

it("104 nobody sees a commit before it is finished", async () => {
  await connection.client(api.RepoService).createRepo({ name: "half" });
  const put = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  async function* steps(): AsyncGenerator<Step> {
    yield { message: { case: "open", value: { repo: "half" } } };
    const files = [{ path: "/a", content: Buffer.from("1") }];
    yield { message: { case: "batch", value: { files } } };
    put.resolve();
    await finish.promise;
    yield { message: { case: "finish", value: {} } };
  }
  const upload = connection.client(api.FileService).modifyFiles(steps());
  await put.promise;
  const request = { commit: { repo: "half" }, path: "/" };
  await assert.rejects(callGrpc(connection, "FileService/ListFiles", request), {
    code: "NOT_FOUND",
    reason: "BRANCH_NOT_FOUND",
  });
  const answer = errorOf(await postJson(cluster.address, "FileService/ListFiles", request));
  assert.deepEqual([answer.code, answer.reason], ["NOT_FOUND", "BRANCH_NOT_FOUND"]);
  finish.resolve();
  await upload;
  assert.equal(((await ask("FileService/ListFiles", request))["files"] as unknown as Found[])[0]?.path, "/a");
});

it("84 the same request is answered once more as it was, over either protocol", async () => {
  const request = { name: "repeated", description: "once", requestId: "again" };
  const first = await callGrpc(connection, "RepoService/CreateRepo", request);
  assert.deepEqual(await ask("RepoService/CreateRepo", request), first);
});

it("99 there is no page of metrics, of debugging or of files", async () => {
  for (const path of ["/", "/metrics", "/debug/pprof/", "/healthz", "/status", "/files"])
    assert.equal((await fetch(`http://${cluster.address}${path}`)).status, 404, path);
  assert.equal((await fetch(`http://${cluster.address}/files/odd/empty`)).status, 403); // unsigned
});
