// What goes wrong for a user of the command line: a clear message, the documented exit code, nothing left behind, no stack trace.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePorts } from "@sheaf/provision";
import { type CliEnd, sheaf } from "../kit/cli.ts";
import { processesWith, TestCluster } from "../kit/cluster.ts";

let cluster: TestCluster;
let folder: string;
let env: { SHEAF_ADDRESS: string };

before(async () => {
  cluster = await TestCluster.start();
  env = { SHEAF_ADDRESS: cluster.address };
  folder = mkdtempSync(join(tmpdir(), "sheaf-bad-"));
  mkdirSync(join(folder, "in"));
  for (let i = 0; i < 20; i++) writeFileSync(join(folder, "in", `f${String(i).padStart(2, "0")}`), `${i}\n`);
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await cluster?.stop();
});

let outs = 0;
/** `sheaf run` against the cluster, with an output folder of its own. */
async function run(args: readonly string[], command: readonly string[] = ["true"]): Promise<CliEnd & { out: string }> {
  const out = join(folder, `out${outs++}`);
  const end = await sheaf(["run", "-o", out, ...args, "--", ...command], { cwd: folder, env });
  assert.doesNotMatch(end.all, /^\s+at .*\(|\.ts:\d+/m, "a stack trace");
  return { ...end, out };
}

function assertEnd(end: CliEnd, code: number, ...patterns: RegExp[]): void {
  assert.equal(end.code, code, end.all);
  for (const pattern of patterns) assert.match(end.all, pattern);
}

test("a pipeline whose glob matches nothing says so, in job wait and job inspect", async () => {
  const spec = join(folder, "empty.yaml");
  writeFileSync(
    spec,
    'pipeline: { name: matches-none }\ninput: { pfs: { repo: lone, glob: "/none*" } }\ntransform: { cmd: ["true"] }\n',
  );
  await sheaf(["repo", "create", "lone"], { env });
  await sheaf(["file", "put", "lone@master", spec], { env });
  await sheaf(["pipeline", "create", "-f", spec], { env });
  assertEnd(
    await sheaf(["job", "wait", "matches-none"], { env }),
    0,
    /0 datums/,
    /the glob matched nothing of the input/,
  );
  assertEnd(await sheaf(["job", "inspect", "matches-none"], { env }), 0, /datums: +none: the glob matched nothing/);
});

test("an input folder that is missing is named", async () => {
  assertEnd(await run(["-i", "missing"]), 2, /missing/);
});

test("an output folder that is not empty is refused", async () => {
  const end = await sheaf(["run", "-i", "in", "-o", "in", "--", "true"], { cwd: folder, env });
  assertEnd(end, 2, /\bin\b.*not empty|not empty.*\bin\b/);
});

test("a glob that does not parse is shown with its position", async () => {
  assertEnd(await run(["-i", "in", "-g", "/[a"]), 2, /\/\[a/);
});

test("a glob that matches nothing is no failure: the result is empty", async () => {
  const end = await run(["-i", "in", "-g", "/none*"]);
  assertEnd(end, 0);
  assert.deepEqual(readdirSync(end.out), []);
});

test("a command that does not exist fails the job, and is named", async () => {
  assertEnd(await run(["-i", "in"], ["no-such-command"]), 1, /no-such-command/);
});

test("a file that is not executable is named", async () => {
  assertEnd(await run(["-i", "in"], [join(folder, "in", "f00")]), 1, /f00/);
});

test("one datum that fails is named with its file, its reason and the last it said", async () => {
  const script =
    'case "$SHEAF_INPUT" in *f07) echo "seven is broken" >&2; exit 3;; esac; cp "$SHEAF_INPUT" "$SHEAF_OUT"';
  const end = await run(["-i", "in", "-w", "2"], ["sh", "-c", script]);
  assertEnd(end, 1, /f07/, /exited with code 3/, /seven is broken/);
  assert.throws(() => readdirSync(end.out), { code: "ENOENT" });
});

test("two datums that write one path under exclusive are both named", async () => {
  const end = await run(["-i", "in", "--merge", "exclusive"], ["sh", "-c", 'echo x > "$SHEAF_OUT/same"']);
  assertEnd(end, 1, /\/same/, /datums 0 and 1/);
});

test("an unknown strategy, flag or command names the nearest that exists", async () => {
  assertEnd(await run(["-i", "in", "--merge", "sume"]), 2, /sum\b/);
  assertEnd(await run(["-i", "in", "--worker", "2"]), 2, /--workers/);
  assertEnd(await sheaf(["piepline", "list"], { env }), 2, /pipeline/);
});

test("an unknown field in a pipeline file is shown with line, column and the nearest name", async () => {
  const file = join(folder, "pipeline.yaml");
  writeFileSync(
    file,
    "pipeline: { name: a }\ntransform:\n  cmd: [cat]\n  standard_in: [x]\ninput: { pfs: { repo: in, glob: / } }\n",
  );
  assertEnd(
    await sheaf(["pipeline", "create", "-f", file], { env }),
    2,
    /pipeline\.yaml/,
    /4.*3/,
    /standard_in/,
    /stdin/,
  );
});

test("a wrong type in a pipeline file is shown with its place", async () => {
  const file = join(folder, "wrong.yaml");
  writeFileSync(file, "pipeline: { name: a }\ntransform:\n  cmd: cat\n");
  assertEnd(await sheaf(["pipeline", "create", "-f", file], { env }), 2, /3.*8/, /cmd/);
});

test("a field that is not implemented is refused and named", async () => {
  const file = join(folder, "cron.yaml");
  writeFileSync(file, "pipeline: { name: a }\ntransform: { cmd: [cat] }\ninput: { cron: { spec: '@every 1h' } }\n");
  assertEnd(await sheaf(["pipeline", "create", "-f", file], { env }), 1, /cron/, /not implemented/i);
});

test("what is not there is named", async () => {
  assertEnd(await sheaf(["repo", "inspect", "nowhere"], { env }), 1, /nowhere/);
  assertEnd(await sheaf(["job", "wait", "nowhere"], { env }), 1, /nowhere/);
});

test("a cluster that cannot be reached is exit code 3, with the address", async () => {
  const [port] = await freePorts(1);
  const end = await sheaf(["repo", "list"], { env: { SHEAF_ADDRESS: `127.0.0.1:${port}` } });
  assertEnd(end, 3, new RegExp(`127.0.0.1:${port}`));
});

test("a port that is in use is named, and nothing stays", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  const port = at !== null && typeof at === "object" ? at.port : 0;
  const data = join(folder, "data-port");
  try {
    assertEnd(await sheaf(["dev", "--data", data, "--port", `${port}`]), 1, new RegExp(`${port}`), /in use/);
    assert.deepEqual(processesWith("", data), []);
  } finally {
    server.close();
  }
});

test("a data folder that cannot be made is named", async () => {
  const file = join(folder, "in", "f00");
  assertEnd(await sheaf(["dev", "--data", join(file, "data")]), 1, /f00/);
});
