// A whole cluster where everything speaks TLS: etcd, two masters, a merge replica and the workers that the masters start, each with a
// certificate of its own; users have tokens.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connectEtcd } from "@sheaf/etcd";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { Secret, type SheafError } from "@sheaf/runtime";
import { type CliEnd, sheaf } from "../kit/cli.ts";
import { eventually, TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, putFiles, readFiles, runPipeline, waitJob } from "../kit/pipelines.ts";

let cluster: TestCluster;
let connection: Connection;
const MASTERS = ["master", "master-2"] as const;

before(async () => {
  cluster = await TestCluster.startMany({ masters: 2, secure: true, env: { SHEAF_LOG_LEVEL: "debug" } });
  connection = cluster.connection();
});
after(async () => {
  connection?.close();
  await cluster?.stop();
});

async function refusalOf(call: Promise<unknown>): Promise<SheafError> {
  const error = await call.then(
    () => assert.fail("it was not refused"),
    (thrown: SheafError) => thrown,
  );
  return error;
}

function get(url: string, ca: Buffer): Promise<{ status: number | undefined; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; body: string }>();
  const asked = request(url, { ca, agent: false }, async (answer) => {
    resolve({ status: answer.statusCode, body: Buffer.concat(await answer.toArray()).toString() });
  });
  asked.on("error", reject);
  asked.end();
  return promise;
}

describe("a cluster in TLS", () => {
  it("runs a job, and its commands see nothing of certificates and tokens", async () => {
    await putFiles(
      connection,
      "docs",
      new Map([
        ["/a", "1"],
        ["/b", "2"],
        ["/c", "3"],
      ]),
    );
    const script = `env | sort > "$SHEAF_OUT/env"; cat "$SHEAF_INPUT" >> "$SHEAF_OUT/all"`;
    const job = await runPipeline(connection, { name: "copy", repo: "docs", glob: "/*", script, workers: 2 });
    assertSucceeded(job);
    const files = await readFiles(connection, "copy");
    assert.equal(files.get("/all")?.toString(), "123");
    assert.doesNotMatch(files.get("/env")?.toString() ?? "", /TLS|TOKEN|CERT|_CA=|\.key/);
  });

  it("a call that the owner answers keeps its user, whichever master is called", async () => {
    for (const master of MASTERS) {
      const viewer = cluster.connection(master, cluster.security.tokenOf("viewer"));
      const { job } = await viewer.client(api.JobService).inspectJob({ pipeline: "copy" });
      assert.equal(job?.pipeline, "copy");
      // The one that owns it refuses as well as the one that would pass it on.
      const refused = await refusalOf(viewer.client(api.PipelineService).runPipeline({ name: "copy" }));
      assert.deepEqual([refused.code, refused.reason], ["PERMISSION_DENIED", "NOT_ALLOWED"]);
      const editor = cluster.connection(master, cluster.security.tokenOf("editor"));
      await editor.client(api.PipelineService).runPipeline({ name: "copy" });
      for (const each of [viewer, editor]) each.close();
    }
    await waitJob(connection, "copy");
  });

  it("a file by URL: who may look gets the address, and whoever has the address gets the file, in TLS, without a token", async () => {
    const viewer = cluster.connection("master", cluster.security.tokenOf("viewer"));
    const file = { commit: { repo: "docs", ref: "master" }, path: "/a" };
    const { url } = await viewer.client(api.FileService).getFileUrl(file);
    viewer.close();
    assert.equal(new URL(url).origin, `https://${cluster.address}`);
    const ca = readFileSync(cluster.security.caFile);
    assert.deepEqual(await get(url, ca), { status: 200, body: "1" });
    assert.equal((await get(url.replace("/a?", "/b?"), ca)).status, 403);
    const second = url.replace(cluster.address, cluster.addressOf("master-2"));
    assert.deepEqual(await get(second, ca), { status: 200, body: "1" });
  });

  it("etcd takes nobody without a certificate of its own authority: not plain text, not a worker's", async () => {
    const { security } = cluster;
    const attempt = (name: string, ca: string) =>
      connectEtcd({
        addresses: [cluster.etcdAddress],
        connectTimeoutMs: 1_500,
        tls: new FixedFiles({
          cert: Buffer.from(security.text(`${name}.crt`)),
          key: new Secret(Buffer.from(security.text(`${name}.key`))),
          ca: Buffer.from(security.text(ca)),
        }) as never,
      });
    await assert.rejects(attempt("worker", "etcd-ca.crt"), { code: "UNAVAILABLE" });
    await assert.rejects(attempt("etcd-client", "ca.crt"), { code: "UNAVAILABLE" }); // and is itself looked at
    await assert.rejects(connectEtcd({ addresses: [cluster.etcdAddress], connectTimeoutMs: 1_500 }), {
      code: "UNAVAILABLE",
    });
    await (await attempt("etcd-client", "etcd-ca.crt")).close();
  });

  it("certificates are renewed under a job that runs; who comes back comes with the new one", async () => {
    const script = `until [ -e "${cluster.folder}/go" ]; do sleep 0.05; done; cp "$SHEAF_INPUT" "$SHEAF_OUT/"`;
    await createPipeline(connection, { name: "waits", repo: "docs", glob: "/*", script, workers: 2 });
    await waitJob(connection, "waits", ({ state }) => state === api.JobState.PROCESSING);
    const before = ["master", "master-2", "merge"].map((name) => cluster.log(name as "master").length);
    await cluster.security.renew();
    for (const [i, name] of (["master", "master-2", "merge"] as const).entries()) {
      await eventually(() => /the TLS certificate changed/.test(cluster.log(name).slice(before[i])), `${name} noticed`);
    }
    // Both masters begin anew, so every session and every call between them does.
    for (const name of MASTERS) {
      await cluster.end(name);
      await cluster.run(name);
    }
    writeFileSync(join(cluster.folder, "go"), "");
    const again = cluster.connection();
    assertSucceeded(await waitJob(again, "waits"));
    again.close();
  });

  it("the command line: token, CA and address from the environment, and what it says without them", async () => {
    const { caFile } = cluster.security;
    const tokenOf = () => cluster.security.tokenOf("viewer").reveal();
    const address = cluster.address;
    const run = (env: Record<string, string>): Promise<CliEnd> => sheaf(["repo", "list"], { env });
    const good = await run({ SHEAF_ADDRESS: `https://${address}`, SHEAF_CA: caFile, SHEAF_TOKEN: tokenOf() });
    assert.equal(good.code, 0, good.all);
    assert.match(good.stdout, /docs/);
    assert.match((await run({ SHEAF_ADDRESS: address, SHEAF_CA: caFile })).stderr, /no token: set SHEAF_TOKEN/);
    const plain = await run({ SHEAF_ADDRESS: address, SHEAF_TOKEN: tokenOf() });
    assert.equal(plain.code, 3);
    assert.match(plain.stderr, /if it speaks TLS, the address begins with https:\/\//);
    assert.match((await run({ SHEAF_ADDRESS: `https://${address}`, SHEAF_TOKEN: tokenOf() })).stderr, /SHEAF_CA/);
    const wrong = join(cluster.security.folder, "etcd-ca.crt");
    assert.match((await run({ SHEAF_ADDRESS: address, SHEAF_CA: wrong })).stderr, /not signed by the authority/);
    assert.match(
      (await run({ SHEAF_ADDRESS: "10.1.2.3:7450", SHEAF_TOKEN: tokenOf() })).stderr,
      /not sent to .* in plain text/,
    );
  });

  it("a token that is revoked is refused by every master within five seconds", async () => {
    const began = performance.now();
    const connections = MASTERS.map((master) => cluster.connection(master, cluster.security.tokenOf("editor")));
    for (const each of connections) await each.client(api.RepoService).listRepos({});
    cluster.security.revoke("editor");
    for (const each of connections) {
      await eventually(
        () =>
          each
            .client(api.RepoService)
            .listRepos({})
            .then(
              () => false,
              ({ reason }) => reason === "TOKEN_UNKNOWN",
            ),
        "the token is refused",
      );
      each.close();
    }
    assert.ok(performance.now() - began < 5_000, `${performance.now() - began} ms`);
  });

  it("no secret is in a log, an argument, an environment, etcd or the store", async () => {
    const secrets = cluster.security.secrets();
    assert.ok(secrets.length >= 10);
    const texts = new Map<string, string>();
    const { folder } = cluster.security;
    for (const entry of readdirSync(cluster.folder, { recursive: true, encoding: "utf8" })) {
      const path = join(cluster.folder, entry);
      if (!path.startsWith(folder) && statSync(path).isFile()) texts.set(path, readFileSync(path, "latin1"));
    }
    const pids = [
      ...cluster.workerPids(),
      ...(["etcd", "merge", ...MASTERS] as const).map((name) => cluster.pid(name)),
    ];
    assert.ok(cluster.workerPids().length > 0);
    for (const pid of pids) {
      for (const file of ["cmdline", "environ"])
        texts.set(`/proc/${pid}/${file}`, readFileSync(`/proc/${pid}/${file}`, "latin1"));
    }
    assert.ok([...texts.keys()].some((path) => /logs\/worker-/.test(path)));
    assert.ok([...texts.keys()].some((path) => path.includes("/etcd/"))); // its whole database
    for (const [path, text] of texts) {
      for (const secret of secrets) assert.ok(!text.includes(secret), `${path} has a secret`);
    }
  });
});

/** Contents that are not read from files. */
class FixedFiles {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }

  onChange(): () => void {
    return () => {};
  }
}
