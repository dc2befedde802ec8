// Whole jobs on a store in S3: their results are those of a local store, also when the server is killed in the middle.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { sheaf } from "../kit/cli.ts";
import { eventually, TestCluster } from "../kit/cluster.ts";
import { HttpFaultProxy } from "../kit/http-fault-proxy.ts";
import { assertSucceeded, createPipeline, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { describeWithS3, S3Server } from "../kit/s3-server.ts";
import { COUNT_WORDS, wordCounts, wordFiles } from "../kit/tree.ts";

await describeWithS3("jobs on a store in S3", (program) => {
  let server: S3Server;
  before(async () => {
    server = await S3Server.start(program);
  });
  after(() => server.stop());

  it("`sheaf run` gives the bytes that it gives on a local store, and commands see nothing of the credentials", async () => {
    const folder = join(server.folder, "run");
    mkdirSync(join(folder, "in"), { recursive: true });
    for (let i = 0; i < 40; i++) writeFileSync(join(folder, "in", `small-${i}`), `${i}\n`.repeat(i * 50));
    // Several segments, several parts of a pack.
    writeFileSync(join(folder, "in", "large"), Buffer.alloc(40 * 1024 * 1024, "a line of a large file\n"));
    const script = 'cp "$1" "$2"/; basename "$1" >> "$2/names"; env | cut -d= -f1 | sort >> "$2/environment"';
    const run = (out: string, more: readonly string[]) =>
      sheaf(["run", "-i", "in", "-o", out, "-w", "2", ...more, "--", "sh", "-c", script, "sh", "{}", "{out}"], {
        cwd: folder,
        env: server.env,
      });
    const url = server.url();
    const remote = await run("remote", ["--store", url]);
    assert.equal(remote.code, 0, remote.all);
    const local = await run("local", []);
    assert.equal(local.code, 0, local.all);
    const names = readdirSync(join(folder, "local")).sort();
    assert.deepEqual(readdirSync(join(folder, "remote")).sort(), names);
    assert.equal(names.length, 43);
    for (const name of names)
      assert.ok(readFileSync(join(folder, "remote", name)).equals(readFileSync(join(folder, "local", name))), name);
    assert.doesNotMatch(readFileSync(join(folder, "remote", "environment"), "utf8"), /AWS/);
    assert.ok(!remote.all.includes(server.env["AWS_SECRET_ACCESS_KEY"] as string));
    assert.ok(server.filesOf(new URL(url).host).length > 3);
    rmSync(folder, { recursive: true });
  });

  it("a store that cannot be used is told in one line, at once", async () => {
    const folder = join(server.folder, "bad");
    mkdirSync(join(folder, "in"), { recursive: true });
    writeFileSync(join(folder, "in", "x"), "x");
    const cases = [
      [`s3://no-such-bucket?endpoint=${server.endpoint}`, /there is no bucket "no-such-bucket"/, {}],
      ["s3://bucket-1?endpoint=http://127.0.0.1:1", /no connection to .*http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/, {}],
      [server.url(), /refuses the access key sheaf-test-key from the environment/, { AWS_SECRET_ACCESS_KEY: "wrong" }],
      [server.url(), /a character that cannot be sent, like a line break/, { AWS_ACCESS_KEY_ID: "from-a-file\n" }],
      [`${server.url()}&speed=high`, /"speed" is not a parameter of a store in S3/, {}],
    ] as const;
    for (const [store, words, env] of cases) {
      const begun = performance.now();
      const end = await sheaf(["run", "-i", "in", "-o", "out", "--", "true"], {
        cwd: folder,
        env: { ...server.env, ...env, SHEAF_STORE: store },
      });
      assert.ok(end.code !== 0 && end.code !== null, end.all);
      const lines = end.stderr.split("\n").filter((line) => words.test(line));
      assert.equal(lines.length, 1, end.all);
      assert.ok(performance.now() - begun < 20_000);
    }
    const other = await sheaf(
      ["run", "-i", "in", "-o", "out", "--store", server.url(), "--address", "127.0.0.1:1", "--", "x"],
      {
        cwd: folder,
      },
    );
    assert.equal(other.code, 2, other.all);
  });

  const N = 60;
  const files = wordFiles(N, 50);

  interface Running {
    readonly cluster: TestCluster;
    readonly connection: Connection;
  }

  /** A job of some seconds on two workers, a third of it done. */
  async function running(store: string): Promise<Running> {
    const env = { ...server.env, SHEAF_SHARD_BYTES_MIN: "1KiB" };
    const cluster = await TestCluster.startMany({ env, store });
    const connection = cluster.connection();
    const notes = join(cluster.folder, "notes");
    await putFiles(connection, "docs", files);
    await createPipeline(connection, {
      name: "count",
      repo: "docs",
      glob: "/docs/*",
      script: `echo x >> ${notes}; ${COUNT_WORDS}; sleep 0.1`,
      workers: 2,
      merge: api.MergeStrategy.SUM,
    });
    await eventually(() => linesOf(notes) >= N / 3, "a third of the datums is executed");
    return { cluster, connection };
  }

  /** The job ends well, no try of any datum is spent, and no worker counts as lost. */
  async function finish({ cluster, connection }: Running): Promise<void> {
    try {
      assertSucceeded(await waitJob(connection, "count"));
      const result = await readFiles(connection, "count");
      assert.equal(result.get("/counts")?.toString(), wordCounts(files));
      const { datums } = await connection.client(api.DatumService).listDatums({ pipeline: "count", page: { size: N } });
      assert.equal(datums.length, N);
      assert.deepEqual(
        datums.filter(({ tries, losses }) => tries !== 1 || losses !== 0),
        [],
      );
    } finally {
      connection.close();
      await cluster.stop();
    }
  }

  it("SIGKILL of the S3 server in the middle of a job, and its restart: no try is spent", async () => {
    const job = await running(server.url());
    await server.end("SIGKILL");
    await eventually(() => workersSay(job.cluster, "the store cannot"), "a worker waits for the store");
    await server.run();
    await finish(job);
  });

  it("every third request fails in some way: the job ends well, and no try is spent", async () => {
    const proxy = await HttpFaultProxy.before(server.port);
    try {
      const job = await running(server.url(proxy.endpoint));
      let n = 0;
      proxy.weather = () => {
        switch (n++ % 12) {
          case 1:
            return { t: "answer", status: 503 };
          case 4:
            return { t: "truncate", after: 20 };
          case 7:
            return { t: "lose the answer" };
          case 10:
            return { t: "answer after", status: 500 };
          default:
            return undefined;
        }
      };
      await finish(job);
      assert.ok(proxy.faults > 20, `${proxy.faults} faults`);
    } finally {
      await proxy.close();
    }
  });

  it("a server that gives other bytes: readers notice, and nothing wrong is published", async () => {
    const proxy = await HttpFaultProxy.before(server.port);
    try {
      const job = await running(server.url(proxy.endpoint));
      let n = 0;
      proxy.weather = ({ method, url }) =>
        method === "GET" && !url.includes("list-type") && n++ % 10 === 9 ? { t: "garble" } : undefined;
      const end = await waitJob(job.connection, "count");
      proxy.weather = () => undefined;
      // Bytes that nobody read again are right; those that were are named.
      if (end.state === api.JobState.SUCCEEDED)
        assert.equal((await readFiles(job.connection, "count")).get("/counts")?.toString(), wordCounts(files));
      else assert.match(end.message, /hash|name|corrupt/i);
      job.connection.close();
      await job.cluster.stop();
      assert.ok(proxy.faults > 0);
    } finally {
      await proxy.close();
    }
  });
});

function linesOf(file: string): number {
  try {
    return readFileSync(file, "utf8").split("\n").length - 1;
  } catch {
    return 0; // nobody has written yet
  }
}

/** Whether it stands in the log of a worker. */
function workersSay(cluster: TestCluster, words: string): boolean {
  const folder = join(cluster.folder, "data", "logs");
  return readdirSync(folder).some((name) => readFileSync(join(folder, name), "utf8").includes(words));
}
