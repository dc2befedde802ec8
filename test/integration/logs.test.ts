// What commands write, live and afterwards: nothing is lost, nothing comes twice, and nobody's terminal is harmed.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { Cli, type CliEnd, sheaf } from "../kit/cli.ts";
import { eventually, TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, newestJob, putFiles, waitJob } from "../kit/pipelines.ts";

let cluster: TestCluster;
let connection: Connection;

before(async () => {
  cluster = await TestCluster.startMany({ masters: 2 });
  connection = cluster.connection();
  await putFiles(connection, "docs", new Map(Object.entries({ "/a": "a", "/b": "b" })));
});
after(async () => {
  connection?.close();
  await cluster?.stop();
});

const env = () => ({ SHEAF_ADDRESS: cluster.address });
const logs = (...args: string[]): Promise<CliEnd> => sheaf(["datum", "logs", ...args], { env: env() });
const follow = (...args: string[]) => new Cli(["datum", "logs", "--follow", ...args], { env: env() });
const rows = (text: string) => text.split("\n").slice(0, -1);
/** Without time and worker. */
const said = (text: string) => rows(text).map((row) => row.split(" ").slice(2).join(" "));
const file = (name: string) => join(cluster.folder, name);
const hasJob = (pipeline: string) =>
  eventually(
    () =>
      newestJob(connection, pipeline).then(
        () => true,
        () => false,
      ),
    "there is a job",
  );
const waitFor = (name: string) => `while [ ! -e ${file(name)} ]; do sleep 0.05; done`;

test("--follow shows what running datums write, on all workers, to each follower once, and ends with the job", async () => {
  const script = `echo "begin $(cat "$SHEAF_INPUT")"; echo trouble >&2; ${waitFor("go")}; echo end; printf rest; echo x > $SHEAF_OUT/x`;
  await createPipeline(connection, { name: "live", repo: "docs", glob: "/*", script, workers: 2 });
  await hasJob("live");
  const first = follow("live");
  await first.says(/ 0\.1 stdout begin/);
  await first.says(/ 1\.1 stdout begin/);
  assert.equal((await logs("live")).stdout, "", "nothing is committed");
  const second = follow("live", "--datum", "/b", "--stream", "stdout");
  await second.says(/ 1\.1 stdout begin/);
  const other = new Cli(["datum", "logs", "live", "--follow", "--raw"], {
    env: { SHEAF_ADDRESS: cluster.addressOf("master-2") },
  });
  await other.says(/begin[\s\S]*begin/);
  writeFileSync(file("go"), "");
  const [all, one, raw] = await Promise.all([first.end, second.end, other.end]);
  const { id } = await newestJob(connection, "live");
  for (const each of [all, one, raw]) assert.deepEqual([each.code, each.stderr], [0, `job ${id} has succeeded\n`]);
  const stored = await logs("live");
  assert.equal(rows(stored.stdout).length, 8);
  assert.deepEqual(rows(all.stdout).toSorted(), rows(stored.stdout).toSorted());
  assert.deepEqual(
    one.stdout,
    rows(stored.stdout)
      .filter((row) => row.includes(" 1.1 stdout "))
      .join("\n")
      .concat("\n"),
  );
  assert.equal(rows(raw.stdout).filter((row) => row === "trouble").length, 2);
  assert.match(rows(stored.stdout)[0] ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [0-9a-f]{8} 0\.1 stdout begin/);
  const workers = new Set(rows(stored.stdout).map((row) => row.split(" ")[1] ?? ""));
  for (const worker of workers) {
    const its = await logs("live", "--worker", worker);
    assert.deepEqual(
      rows(its.stdout),
      rows(stored.stdout).filter((row) => row.split(" ")[1] === worker),
    );
  }
  assert.deepEqual(said((await logs("live", "--tail", "2")).stdout), ["1.1 stdout end", "1.1 stdout rest"]);
  assert.equal(rows((await logs("live", "--since", "1h")).stdout).length, 8);
  assert.equal((await logs("live", "--since", "2999-01-01T00:00:00Z")).stdout, "");
});

test("a job that is over is shown and told at once; one that does not exist is not found", async () => {
  const { id } = await newestJob(connection, "live");
  const over = await logs("live", "--follow");
  assert.deepEqual([over.code, rows(over.stdout).length, over.stderr], [0, 8, `job ${id} has succeeded\n`]);
  const none = await logs("live", "--follow", "--job", "01m82zj4rd8yppba72mwg90p1w");
  assert.deepEqual([none.code, none.stdout], [1, ""]);
  assert.match(none.stderr, /has no job 01m82zj4rd8yppba72mwg90p1w/);
  assert.match((await logs("nothing", "--follow")).stderr, /there is no pipeline "nothing"/);
  assert.match((await logs("live", "--datum", "/c")).stderr, /no datum of the job reads "\/c"/);
  assert.equal((await logs("live", "--tail", "10001")).code, 2);
});

test("a follower goes on when the owner or a worker is killed, and is told nothing twice", async () => {
  const count = `i=0; while [ ! -e ${file("enough")} ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done`;
  const script = `echo "run of $$"; ${count}; echo x > $SHEAF_OUT/x`;
  await createPipeline(connection, { name: "trouble", repo: "docs", glob: "/a", script });
  await hasJob("trouble");
  const address = `${cluster.addressOf("master-2")}`;
  const follower = new Cli(["datum", "logs", "trouble", "--follow"], { env: { SHEAF_ADDRESS: address } });
  await follower.says(/ line 5\n/);
  // Whoever owns it: the follower is at master-2, which is killed first.
  await cluster.end("master-2");
  await cluster.run("master-2");
  await saysMore(follower);
  await cluster.end("master");
  await cluster.run("master");
  await saysMore(follower);
  const worker = cluster.workerPids().find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("trouble"));
  process.kill(worker ?? assert.fail("no worker"), "SIGKILL");
  await follower.says(/run of[\s\S]*run of[\s\S]* line 5\n/);
  writeFileSync(file("enough"), "");
  const end = await follower.end;
  assert.equal(end.code, 0, end.stderr);
  assertSucceeded(await waitJob(connection, "trouble"));
  const lines = rows(end.stdout);
  assert.equal(new Set(lines).size, lines.length, "no line came twice");
  const runs = Map.groupBy(lines, (line) => line.split(" ")[1] ?? "");
  assert.equal(runs.size, 2, "two workers ran it");
  for (const its of runs.values()) {
    const numbers = its.flatMap((line) => / line (\d+)$/.exec(line)?.[1] ?? []).map(Number);
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i + 1),
      "no line is missing",
    );
  }
  const stored = rows((await logs("trouble")).stdout);
  assert.deepEqual(stored, runs.get(stored[0]?.split(" ")[1] ?? ""));
});

/** Lines come that are written from now on. */
async function saysMore(follower: Cli): Promise<void> {
  const [, seen] = await follower.says(/[\s\S]* line (\d+)\n/);
  await follower.says(new RegExp(` line ${Number(seen) + 30}\n`));
}

test("what could harm a terminal or forge a line is shown, not sent; --raw gives the bytes", async () => {
  const evil = String.raw`\033]0;title\007\033[2J a\rb \377\376 \302\233 \342\200\256 {"time":"x"}`;
  const script = `printf '${evil}\n'; echo x > $SHEAF_OUT/x`;
  await createPipeline(connection, { name: "evil", repo: "docs", glob: "/a", script });
  await hasJob("evil");
  assertSucceeded(await waitJob(connection, "evil"));
  const { stdout } = await logs("evil");
  assert.deepEqual(said(stdout), [
    String.raw`0.1 stdout \e]0;title\x07\e[2J a\rb ?? \x9b \u{202e} {"time":"x"}`.replaceAll("?", "\ufffd"),
  ]);
  assert.ok((await logs("evil", "--raw")).stdout.startsWith("\x1b]0;title\x07"));
  const [json] = rows((await logs("evil", "--json")).stdout);
  const line = JSON.parse(json ?? "");
  assert.deepEqual(
    Buffer.from(line.text, "base64"),
    Buffer.from('\x1b]0;title\x07\x1b[2J a\rb \xff\xfe \xc2\x9b \xe2\x80\xae {"time":"x"}', "latin1"),
  );
});

test("a follower that does not read is cut, and another one that does is not; from its last answer it can go on", async () => {
  const script = `yes & while [ ! -e ${file("read")} ]; do sleep 0.1; done; kill $!; echo x > $SHEAF_OUT/x`;
  await createPipeline(connection, { name: "unread", repo: "docs", glob: "/a", script });
  await hasJob("unread");
  const client = connection.client(api.DatumService);
  const answers = client.getLogs({ pipeline: "unread", follow: true })[Symbol.asyncIterator]();
  let last = await answers.next();
  let seen = 0;
  // As many again as a master keeps for somebody who does not read.
  for await (const { lines } of client.getLogs({ pipeline: "unread", follow: true })) {
    seen += lines.length;
    if (seen > 100_000) break;
  }
  const rest = async () => {
    for (; last.done !== true; last = await answers.next()) resume = last.value.resume;
  };
  let resume = "";
  await assert.rejects(rest(), { code: "RESOURCE_EXHAUSTED", reason: "NOT_READ" });
  const again = client.getLogs({ pipeline: "unread", follow: true, resume });
  writeFileSync(file("read"), "");
  let more = 0;
  for await (const { lines } of again) more += lines.length;
  assert.ok(more > 0);
});

test("a flood and a line without an end: the pipe is drained, the worker's memory bounded, head and tail are kept", async () => {
  const flood = `head -c 300000000 /dev/zero | tr '\\0' x; echo; yes | head -c 300000000; echo last`;
  const script = `echo first; ${waitFor("flood-go")}; ${flood}; echo x > $SHEAF_OUT/x`;
  await createPipeline(connection, { name: "flood", repo: "docs", glob: "/a", script });
  await hasJob("flood");
  const follower = follow("flood", "--raw");
  await follower.says(/first\n/);
  const pid = cluster.workerPids().find((each) => readFileSync(`/proc/${each}/cmdline`, "utf8").includes("flood"));
  const idle = peakMb(pid);
  let peak = idle;
  const watch = setInterval(() => {
    peak = Math.max(peak, peakMb(pid));
  }, 100);
  writeFileSync(file("flood-go"), "");
  const end = await follower.end;
  clearInterval(watch);
  assert.equal(end.code, 0, end.stderr);
  const stored = rows((await logs("flood", "--raw")).stdout);
  assert.deepEqual([stored[0], stored.at(-1)], ["first", "last"]);
  assert.equal(stored.filter((line) => /^\[sheaf: \d{9} bytes of output are left out here/.test(line)).length, 1);
  assert.ok(stored.every((line) => line.length <= 64 * 1024));
  assert.ok(stored.join("\n").length < 1_100_000);
  assert.deepEqual([rows(end.stdout)[0], rows(end.stdout).at(-1)], ["first", "last"]);
  assert.ok(peak - idle < 300, `the worker took ${idle} MiB before and ${peak} MiB then`);
});

/** The most that the process had in memory; 0: it is over. */
function peakMb(pid: number | undefined): number {
  if (!existsSync(`/proc/${pid}/status`)) return 0;
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
