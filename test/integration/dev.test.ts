// `sheaf dev` and `sheaf run`: Ctrl-C leaves nothing; a data folder goes on after everything was killed.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { publicConnection } from "@sheaf/rpc";
import { Cli } from "../kit/cli.ts";
import { eventually, processesWith } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, newestJob, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { wordFiles } from "../kit/tree.ts";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "sheaf-dev-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** How long a stop may take. */
const STOP_MS = 3_000;

function addressIn([text]: RegExpMatchArray): string {
  return text.match(/127\.0\.0\.1:\d+/)?.[0] ?? "";
}

test("Ctrl-C in dev: everything stops within 3 s, no process stays", async () => {
  const data = join(folder, "ctrl-c");
  const dev = new Cli(["dev", "--data", data, "--port", "0"]);
  await dev.says(/127\.0\.0\.1:\d+/);
  const begun = performance.now();
  dev.child.kill("SIGINT");
  const { code } = await dev.end;
  assert.ok(performance.now() - begun < STOP_MS);
  assert.equal(code, 130);
  assert.deepEqual(processesWith("", data), []);
});

test("Ctrl-C in run, while a command runs: everything stops within 3 s, no process or temp folder stays", async () => {
  mkdirSync(join(folder, "in"), { recursive: true });
  writeFileSync(join(folder, "in", "a"), "x");
  const tmp = join(folder, "tmp");
  mkdirSync(tmp);
  const mark = join(folder, "started");
  const script = `touch ${mark}; exec sleep 1234`;
  const run = new Cli(["run", "-i", "in", "-o", "out", "--", "sh", "-c", script], {
    cwd: folder,
    env: { TMPDIR: tmp },
  });
  await eventually(() => existsSync(mark), "the command has started");
  const begun = performance.now();
  run.child.kill("SIGINT");
  const { code, all } = await run.end;
  assert.ok(performance.now() - begun < STOP_MS, all);
  assert.equal(code, 130);
  assert.deepEqual(processesWith("", tmp), []);
  assert.deepEqual(processesWith("sleep", "1234"), []);
  assert.equal(existsSync(join(folder, "out")), false);
});

test("dev again after kill -9 of everything: repos, pipelines and finished jobs are there, and an unfinished job goes on", async () => {
  const data = join(folder, "again");
  const notes = join(folder, "notes");
  const first = new Cli(["dev", "--data", data, "--port", "0"]);
  const before = publicConnection(addressIn(await first.says(/127\.0\.0\.1:\d+/)));
  await putFiles(before, "docs", wordFiles(60, 5));
  await createPipeline(before, {
    name: "done",
    repo: "docs",
    glob: "/docs/00000.txt",
    script: 'cp "$SHEAF_INPUT" "$SHEAF_OUT/x"',
  });
  assertSucceeded(await waitJob(before, "done"));
  const script = `echo x >> ${notes}; sleep 0.1; cp "$SHEAF_INPUT" "$SHEAF_OUT"`;
  await createPipeline(before, { name: "slow", repo: "docs", glob: "/docs/*", script });
  await eventually(() => existsSync(notes) && readFileSync(notes).length > 30, "a part of the job is done");
  before.close();
  first.child.kill("SIGKILL");
  for (const pid of processesWith("", data)) process.kill(pid, "SIGKILL");
  await first.end;
  await eventually(() => processesWith("", data).length === 0, "everything is dead");

  const second = new Cli(["dev", "--data", data, "--port", "0"]);
  const again = publicConnection(addressIn(await second.says(/127\.0\.0\.1:\d+/)));
  try {
    assertSucceeded(await newestJob(again, "done"));
    assert.equal((await readFiles(again, "done")).size, 1);
    assertSucceeded(await waitJob(again, "slow"));
    assert.equal((await readFiles(again, "slow")).size, 60);
  } finally {
    again.close();
    second.child.kill("SIGINT");
    await second.end;
  }
  assert.deepEqual(processesWith("", data), []);
});
