// The public port as grpcurl sees it, the common command line client of gRPC: it knows nothing of the contract but what reflection says.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, it, test } from "node:test";
import { promisify } from "node:util";
import { api, health } from "@sheaf/proto";
import { TestCluster } from "../kit/cluster.ts";
import { putFiles } from "../kit/pipelines.ts";
import { programFor } from "../kit/program.ts";

const SERVICES = Object.values(api).flatMap((each) => ("kind" in each && each.kind === "service" ? [each] : []));

const grpcurl = await programFor("the tests with grpcurl", "grpcurl");
if (grpcurl === undefined) test("grpcurl", { skip: "no grpcurl" }, () => {});
else describe("grpcurl", () => runs(grpcurl));

function runs(file: string): void {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start();
  });
  after(() => cluster.stop());

  async function call(flags: readonly string[], ...words: readonly string[]): Promise<{ code: number; text: string }> {
    const args = ["-plaintext", ...flags, cluster.address, ...words];
    try {
      const { stdout, stderr } = await promisify(execFile)(file, args);
      return { code: 0, text: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, text: stdout + stderr };
    }
  }

  it("lists the services, and the calls of one", async () => {
    const { text } = await call([], "list");
    const names = [
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ];
    assert.deepEqual(text.trim().split("\n"), [...names, ...SERVICES.map(({ typeName }) => typeName)].sort());
    const { text: calls } = await call([], "list", "sheaf.api.v1.JobService");
    assert.match(calls, /sheaf\.api\.v1\.JobService\.WatchJob/);
  });

  it("describes every service and what its calls take and give", async () => {
    for (const { typeName, methods } of SERVICES) {
      const { code, text } = await call([], "describe", typeName);
      assert.equal(code, 0, text);
      for (const { name, input } of methods) assert.match(text, new RegExp(`rpc ${name} \\(.*\\.${input.typeName}`));
    }
    for (const [symbol, holds] of [
      ["sheaf.api.v1.PipelineSpec", /repeated|ParallelismSpec parallelism_spec = 4/],
      ["sheaf.api.v1.JobState", /JOB_STATE_SUCCEEDED = 6/],
      ["sheaf.api.v1.JobService.InspectJob", /InspectJobRequest/],
      ["google.protobuf.Timestamp", /int64 seconds = 1/],
    ] as const) {
      assert.match((await call([], "describe", symbol)).text, holds);
    }
    assert.notEqual((await call([], "describe", "sheaf.api.v1.Nothing")).code, 0);
  });

  it("calls, also streams, and shows errors with their details", async () => {
    const named = await call(
      ["-d", '{"name":"in","description":"from grpcurl"}'],
      "sheaf.api.v1.RepoService/CreateRepo",
    );
    assert.match(named.text, /"description": "from grpcurl"/);
    const connection = cluster.connection();
    await putFiles(connection, "in", new Map([["/a", "hello"]]));
    connection.close();
    const got = await call(["-d", '{"commit":{"repo":"in"}}'], "sheaf.api.v1.FileService/GetFiles");
    assert.match(got.text, new RegExp(Buffer.from("hello").toString("base64")));
    const bad = await call(["-d", '{"name":"A/B"}'], "sheaf.api.v1.RepoService/CreateRepo");
    assert.equal(bad.code, 64 + 3); // INVALID_ARGUMENT
    assert.match(bad.text, /google\.rpc\.ErrorInfo/);
    assert.match(bad.text, /google\.rpc\.BadRequest/);
    const unknown = await call(["-d", '{"nam":"in"}'], "sheaf.api.v1.RepoService/InspectRepo");
    assert.match(unknown.text, /nam/);
  });

  it("asks for health, per service", async () => {
    for (const { typeName } of SERVICES) {
      const { text } = await call(["-d", JSON.stringify({ service: typeName })], "grpc.health.v1.Health/Check");
      assert.match(text, /"status": "SERVING"/);
    }
  });

  it("NOT_SERVING while draining is told to who watches", async () => {
    const connection = cluster.connection();
    const begun = Promise.withResolvers<void>();
    const seen: health.HealthCheckResponse_ServingStatus[] = [];
    const watching = (async () => {
      for await (const { status } of connection.client(health.Health).watch({ service: "sheaf.api.v1.JobService" })) {
        if (seen.push(status) === 1) begun.resolve();
      }
    })();
    await begun.promise;
    await Promise.all([assert.rejects(watching, { code: "UNAVAILABLE" }), cluster.end("master", "SIGTERM")]);
    const { SERVING, NOT_SERVING } = health.HealthCheckResponse_ServingStatus;
    assert.deepEqual(seen, [SERVING, NOT_SERVING]);
    connection.close();
  });
}
