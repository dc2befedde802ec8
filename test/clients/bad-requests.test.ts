// Every bad request of the table, over gRPC and over JSON: the same code, reason and field; and nothing is created by any of them.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { connectEtcd, type Etcd, keysOf } from "@sheaf/etcd";
import { api, googleRpc } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { SheafError, testLogger } from "@sheaf/runtime";
import { eventually, TestCluster } from "../kit/cluster.ts";
import { createPipeline, jobOf, putFiles } from "../kit/pipelines.ts";
import { BAD_JSON, BAD_REQUESTS, type BadRequest } from "./bad-requests.ts";
import { callGrpc } from "./call-grpc.ts";
import { errorOf, postJson } from "./json-post.ts";

let cluster: TestCluster;
let connection: Connection;
let etcd: Etcd;
let inventory: string;
const keys = keysOf("default");

before(async () => {
  cluster = await TestCluster.start();
  connection = cluster.connection();
  const made = await putFiles(connection, "in", new Map([["/a", "1\n"]]));
  const common = { glob: "/*", script: 'cp "$SHEAF_INPUT" "$SHEAF_OUT"' };
  await createPipeline(connection, { ...common, name: "words", repo: "in" });
  await jobOf(connection, "words", made);
  await createPipeline(connection, { ...common, name: "more", repo: "words" });
  await connection.client(api.PipelineService).stopPipeline({ name: "more" });
  await connection.client(api.RepoService).createRepo({ name: "once", requestId: "used" });
  etcd = await connectEtcd({ addresses: [cluster.etcdAddress], log: testLogger() });
  // What a job leaves is put away after its end, and its record says where.
  await eventually(async () => (await etcd.list(keys.allLedgers())).kvs.length === 0, "the job is archived");
  inventory = await created();
});
after(async () => {
  connection?.close();
  await etcd?.close();
  await cluster?.stop();
});

/** All that a request could have made. */
async function created(): Promise<string> {
  const prefixes = [
    keys.repos(),
    keys.pipelines(),
    keys.allHeads(),
    keys.allJobs(),
    `${keys.root}commits/`,
    keys.requests(),
  ];
  const lists = await Promise.all(prefixes.map((prefix) => etcd.list(prefix)));
  return lists.flatMap(({ kvs }) => kvs.map(({ key, version }) => `${key} ${version}`)).join("\n");
}

async function overGrpc({ rpc, request }: BadRequest): Promise<SheafError> {
  const error = await callGrpc(connection, rpc, request).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof SheafError, `it was taken: ${JSON.stringify(request).slice(0, 200)}`);
  return error;
}

describe("a bad request", () => {
  for (const row of BAD_REQUESTS) {
    it(`${row.what} (${row.rpc})`, async () => {
      const expected = [row.code, row.reason, row.field];
      const told = await overGrpc(row);
      assert.deepEqual([told.code, told.reason, told.details[0]?.field], expected, told.message);
      const answer = errorOf(await postJson(cluster.address, row.rpc, row.request));
      assert.deepEqual([answer.code, answer.reason, answer.fields[0]], expected, answer.message);
      assert.equal(answer.message, told.message);
      assert.ok(told.message.length < 4_000 && !/\.ts:\d/.test(told.message), told.message);
    });
  }

  for (const [what, text, field] of BAD_JSON) {
    it(`${what} (JSON)`, async () => {
      const answer = errorOf(await postJson(cluster.address, "PipelineService/CreatePipeline", text));
      assert.deepEqual(
        [answer.code, answer.reason, answer.fields[0]],
        ["INVALID_ARGUMENT", "REQUEST_UNREADABLE", field],
      );
      assert.equal(({} as { admin?: boolean }).admin, undefined);
    });
  }

  it("9, 16 of 10 MB is not read", async () => {
    const huge = { spec: { transform: { cmd: ["x".repeat(10_000_000)] } } };
    const answer = errorOf(await postJson(cluster.address, "PipelineService/CreatePipeline", huge));
    assert.deepEqual([answer.code, answer.reason], ["RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"]);
  });

  it("23 a glob that makes others think for years is answered at once", async () => {
    const begun = performance.now();
    for (const glob of ["/@(a+)+$", `/${"*a".repeat(200)}b`, "/((a*)*)*b", "/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}*"]) {
      await postJson(cluster.address, "FileService/GlobFiles", { commit: { repo: "in" }, glob });
    }
    assert.ok(performance.now() - begun < 2_000, `${performance.now() - begun} ms`);
  });
});

type Step = MessageInitShape<typeof api.ModifyFilesRequestSchema>;
const OPEN: Step = { message: { case: "open", value: { repo: "in" } } };
const FINISH: Step = { message: { case: "finish", value: {} } };
const put = (path: string, content = "x"): Step => ({
  message: { case: "batch", value: { files: [{ path, content: Buffer.from(content) }] } },
});
const big = (sha256: Uint8Array): Step[] => [
  { message: { case: "begin", value: { path: "/big" } } },
  { message: { case: "chunk", value: Buffer.from("abc") } },
  { message: { case: "end", value: { sha256 } } },
];

describe("a bad upload", () => {
  const PATHS: Readonly<Record<string, string>> = {
    "a NUL": "/a\0b",
    "a newline": "/a\nb",
    "a control character": "/a\u0007",
    "a backslash": "/a\\b",
    "a part of 256 bytes": `/${"x".repeat(256)}`,
    "1,025 bytes": `/${"x".repeat(200)}`.repeat(6),
    "..": "/a/../b",
    ".": "/./a",
    "no slash before it": "a",
    "nothing between slashes": "/a//b",
    "32 letters that are not composed": "/cafe\u0301",
  };
  const rows: [what: string, steps: readonly Step[], code: string, reason: string, field?: string][] = [
    ...Object.entries(PATHS).map(
      ([what, path]) =>
        [
          `30, 70 a path with ${what}`,
          [OPEN, put(path), FINISH],
          "INVALID_ARGUMENT",
          "FILES_INVALID",
          "batch.files[0].path",
        ] as [string, Step[], string, string, string],
    ),
    [
      "34 a file and a folder at one path",
      [OPEN, put("/x"), put("/x/y"), FINISH],
      "FAILED_PRECONDITION",
      "FILE_AND_FOLDER",
    ],
    ["37 a wrong hash", [OPEN, ...big(new Uint8Array(32)), FINISH], "DATA_LOSS", "CHECKSUM_MISMATCH"],
    [
      "37 a hash of 3 bytes",
      [OPEN, ...big(new Uint8Array(3)), FINISH],
      "INVALID_ARGUMENT",
      "FILES_INVALID",
      "end.sha256",
    ],
    ["37 an end without finish", [OPEN, put("/x")], "INVALID_ARGUMENT", "MESSAGE_ORDER"],
    ["no open", [put("/x"), FINISH], "INVALID_ARGUMENT", "MESSAGE_ORDER"],
    ["nothing at all", [], "INVALID_ARGUMENT", "MESSAGE_ORDER"],
    [
      "a batch of 2 MB",
      [OPEN, put("/x", "x".repeat(2_000_000)), FINISH],
      "INVALID_ARGUMENT",
      "FILES_INVALID",
      "batch.files",
    ],
    [
      "a pipeline's repo",
      [{ message: { case: "open", value: { repo: "words" } } }, FINISH],
      "FAILED_PRECONDITION",
      "REPO_OF_PIPELINE",
    ],
    [
      "a branch that is none",
      [{ message: { case: "open", value: { repo: "in", branch: "A" } } }, FINISH],
      "INVALID_ARGUMENT",
      "FILES_INVALID",
      "open.branch",
    ],
  ];

  for (const [what, steps, code, reason, field] of rows) {
    it(what, async () => {
      const told = await connection
        .client(api.FileService)
        .modifyFiles(each(steps))
        .then(undefined, (thrown: unknown) => thrown);
      assert.ok(told instanceof SheafError, `it was taken: ${told}`);
      assert.deepEqual([told.code, told.reason, told.details[0]?.field], [code, reason, field], told.message);
      const transport = createConnectTransport({ baseUrl: `http://${cluster.address}`, httpVersion: "1.1" });
      const thrown = await createClient(api.FileService, transport)
        .modifyFiles(each(steps))
        .then(undefined, (error: unknown) => ConnectError.from(error));
      assert.ok(thrown instanceof ConnectError);
      const { reason: said } = thrown.findDetails(googleRpc.ErrorInfoSchema)[0] ?? {};
      const violations = thrown.findDetails(googleRpc.BadRequestSchema)[0]?.fieldViolations;
      assert.deepEqual([thrown.code, said, violations?.[0]?.field], [Code[codeKey(code)], reason, field]);
      assert.equal(thrown.rawMessage, told.message);
    });
  }
});

/** "INVALID_ARGUMENT" is "InvalidArgument" in connect. */
function codeKey(code: string): keyof typeof Code {
  return code.toLowerCase().replaceAll(/(^|_)([a-z])/g, (_, __, letter) => letter.toUpperCase()) as keyof typeof Code;
}

describe("a bad upload, in JSON that no client of ours would send", () => {
  /** Steps as they stand, and the error that ends the answer. */
  async function refusalOf(steps: readonly Uint8Array[]): Promise<{ code: string; text: string }> {
    const body = Buffer.concat(
      steps.map((step) => {
        const head = Buffer.alloc(5);
        head.writeUInt32BE(step.length, 1);
        return Buffer.concat([head, step]);
      }),
    );
    const url = `http://${cluster.address}/sheaf.api.v1.FileService/ModifyFiles`;
    const headers = { "content-type": "application/connect+json" };
    const answer = Buffer.from(await (await fetch(url, { method: "POST", headers, body })).arrayBuffer());
    const text = answer.subarray(5).toString();
    return { code: (JSON.parse(text) as { error?: { code?: string } }).error?.code ?? "none", text };
  }
  const open = Buffer.from('{"open":{"repo":"in"}}');
  const finish = Buffer.from('{"finish":{}}');

  it("31 a path that is no UTF-8", async () => {
    const path = Buffer.concat([
      Buffer.from('{"batch":{"files":[{"path":"/a'),
      Buffer.from([0xff]),
      Buffer.from('"}]}}'),
    ]);
    assert.equal((await refusalOf([open, path, finish])).code, "invalid_argument");
  });

  it("89 two messages in one", async () => {
    const both = Buffer.from('{"open":{"repo":"in"},"finish":{}}');
    const { code, text } = await refusalOf([both, finish]);
    assert.deepEqual([code, /oneof/.test(text)], ["invalid_argument", true], text);
  });
});

async function* each<T>(steps: readonly T[]): AsyncGenerator<T> {
  yield* steps;
}

it("none of them has made anything", async () => {
  assert.equal(await created(), inventory);
});
