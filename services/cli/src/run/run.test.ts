/** `sheaf run` from end to end, as a process, on a cluster that is there (and in memory). */
import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { Stage } from "../testing/stage.ts";

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage[Symbol.asyncDispose]());

describe("sheaf run on a cluster that is there", () => {
  it("puts the folder, waits, gets the result, and leaves nothing on the cluster", async () => {
    const cluster = await stage.startCluster();
    stage.input({ a: "1", b: "22" });
    const { code, stdout, stderr } = await stage.start(["run", "-i", "in", "-o", "out/deep", "--", "cp", "{}", "{out}"])
      .ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^1 datum, 3 B in 2 files, .*s\nresult: .*out\/deep \(2 files, 3 B\)\n$/);
    assert.deepEqual(readdirSync(join(stage.dir, "out/deep")), ["a", "b"]);
    assert.deepEqual([cluster.world.repos.size, cluster.world.pipelines.size], [0, 0]);
  });

  it("prints the job as JSON, and nothing else", async () => {
    await stage.startCluster();
    stage.input({ a: "1" });
    const { stdout, stderr } = await stage.call("run", "--json", "-i", "in", "-o", "out", "--", "true");
    const states = stdout
      .trim()
      .split("\n")
      .map((row) => JSON.parse(row).state);
    assert.deepEqual([states, stderr], [["JOB_STATE_PROCESSING", "JOB_STATE_SUCCEEDED"], ""]);
  });

  it("exit code 1 and the failed datum when the job fails; its logs stay", async () => {
    const cluster = await stage.startCluster({
      work: () => ({ failure: "the command exited with code 7", log: "first\nlast words" }),
    });
    stage.input({ a: "1" });
    const { code, stdout, stderr } = await stage.start(["run", "-i", "in", "-o", "out", "--", "false"]).ended;
    assert.deepEqual([code, stdout, existsSync(join(stage.dir, "out"))], [1, "", false]);
    assert.match(stderr, /has failed: 1 of 1 datum failed; nothing was published/);
    assert.match(stderr, /datum 0 \(\/first\) failed after 3 tries: the command exited with code 7/);
    assert.match(stderr, / {2}\| first\n {2}\| last words\n/);
    const [, name = ""] = /its logs: sheaf datum logs (\S+)/.exec(stderr) ?? [];
    assert.equal(cluster.world.pipelines.get(name)?.state, api.PipelineState.STOPPED);
    const logs = await stage.call("datum", "logs", name, "--datum", "0");
    assert.equal(logs.stdout, "- - 0.3 stderr first\n- - 0.3 stderr last words\n");
  });

  it("sends the text of a handler, or that the command takes datum after datum", async () => {
    const cluster = await stage.startCluster({ work: () => ({ failure: "no", log: "" }) });
    stage.input({ a: "1" });
    const text = "export default () => {};\n";
    writeFileSync(join(stage.dir, "h.ts"), text);
    await stage.call("run", "-i", "in", "-o", "out", "--handler", "h.ts");
    await stage.call("run", "-i", "in", "-o", "out", "--batch", "--", "true");
    const specs = [...cluster.world.pipelines.values()].map(({ spec }) => spec?.transform);
    assert.deepEqual(
      specs.map((transform) => [transform?.handler, transform?.cmd, transform?.datumBatching]),
      [
        [text, [], false],
        ["", ["true"], true],
      ],
    );
  });

  it("exit code 130 within 3 s of Ctrl-C; nothing stays", async () => {
    const watched = Promise.withResolvers<void>();
    const cluster = await stage.startCluster({
      job: {
        watchJob: async function* (_, { signal }) {
          yield { job: { id: "j", state: api.JobState.PROCESSING } };
          watched.resolve();
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
    });
    stage.input({ a: "1" });
    const { child, ended } = stage.start(["run", "-i", "in", "-o", "out", "--", "sleep", "1000"]);
    await watched.promise;
    const begun = performance.now();
    child.kill("SIGINT");
    child.kill("SIGINT"); // npm passes it on once more
    assert.equal((await ended).code, 130);
    assert.ok(performance.now() - begun < 3_000);
    assert.deepEqual(readdirSync(stage.dir), ["in"]);
    assert.deepEqual([cluster.world.repos.size, cluster.world.pipelines.size], [0, 0]);
  });

  it("ends quietly when nobody reads its output", async () => {
    await stage.startCluster();
    for (const name of ["a", "b", "c"]) await stage.call("repo", "create", name);
    const { child, ended } = stage.start(["repo", "list"]);
    child.stdout?.destroy();
    const { stderr } = await ended;
    assert.doesNotMatch(stderr, /EPIPE|Error/);
  });
});
