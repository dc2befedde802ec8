/** Nouns and their verbs, against a cluster that is in memory. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Stage } from "../testing/stage.ts";

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage[Symbol.asyncDispose]());

describe("nouns", () => {
  it("create, list, inspect and delete a repo, as text and as JSON", async () => {
    await stage.startCluster();
    assert.equal((await stage.call("repo", "create", "logs")).stdout, "created repo logs\n");
    const again = await stage.call("repo", "create", "logs");
    assert.deepEqual([again.code, again.stderr], [1, 'sheaf: there is a repo "logs" already\n']);
    assert.equal(JSON.parse((await stage.call("repo", "create", "b", "--json")).stdout).name, "b");
    const rows = (await stage.call("--json", "repo", "list")).stdout.trim().split("\n");
    assert.deepEqual(
      rows.map((row) => JSON.parse(row).name),
      ["b", "logs"],
    );
    assert.match((await stage.call("repo", "list")).stdout, /^NAME +BRANCHES +WRITTEN BY .*\nb .*\nlogs +users/);
    assert.match((await stage.call("repo", "inspect", "logs")).stdout, /^name: +logs\n/);
    assert.equal((await stage.call("repo", "delete", "logs")).code, 0);
    const missing = await stage.call("repo", "inspect", "logs");
    assert.deepEqual([missing.code, missing.stderr], [1, 'sheaf: there is no repo "logs"\n']);
  });

  it("do not show nothing of a branch that is not there", async () => {
    await stage.startCluster();
    await stage.call("repo", "create", "logs");
    const { code, stdout, stderr } = await stage.call("commit", "list", "logs@nope");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.equal(stderr, 'sheaf: repo "logs" has no branch "nope"\n');
  });

  it("do not show nothing of a pipeline that is not there", async () => {
    await stage.startCluster();
    for (const args of [
      ["job", "list", "nope"],
      ["worker", "list", "nope"],
      ["datum", "list", "nope"],
    ]) {
      const { code, stdout, stderr } = await stage.call(...args);
      assert.deepEqual([code, stdout, stderr], [1, "", 'sheaf: there is no pipeline "nope"\n'], args.join(" "));
    }
  });

  it("put and get files: a folder, single files, standard output", async () => {
    await stage.startCluster();
    await stage.call("repo", "create", "r");
    stage.input({ a: "1", b: "\u001b[31mred\n" });
    assert.match(
      (await stage.call("file", "put", "r@master", "-r", "in")).stdout,
      /^2 files, 10 B put: r@master is at commit c/,
    );
    assert.match((await stage.call("file", "put", "r@master:/sub", "in/a", "in/b")).stdout, /^2 files/);
    assert.equal((await stage.call("file", "get", "r@master:/b", "-o", "-")).stdout, "\u001b[31mred\n");
    assert.equal((await stage.call("file", "get", "r@master:/", "-o", "got")).code, 0);
    assert.deepEqual(readdirSync(join(stage.dir, "got")).sort(), ["a", "b", "sub"]);
    await stage.call("file", "get", "r:/sub/a", "-o", "got/renamed");
    await stage.call("file", "get", "r:/sub/a", "-o", "got/sub/");
    assert.equal(readFileSync(join(stage.dir, "got/renamed"), "utf8"), "1");
    const folder = await stage.call("file", "get", "r:/sub", "-o", "-");
    assert.deepEqual([folder.code, folder.stderr], [2, "sheaf: /sub is a folder: give a folder with -o\n"]);
    const mistyped = await stage.call("file", "delete", "r@master", "/b", "/nope");
    assert.deepEqual([mistyped.code, mistyped.stdout], [1, ""]);
    assert.match(mistyped.stderr, /no file or folder .*nope/);
    assert.match((await stage.call("file", "delete", "r@master", "/sub")).stdout, /^deleted: r@master/);
    assert.match((await stage.call("file", "delete", "r@master:/a")).stdout, /^deleted: r@master/);
    for (const nothing of ["r@master", "r@master:"]) {
      const { code, stderr } = await stage.call("file", "delete", nothing);
      assert.deepEqual([code, stderr], [2, "sheaf: say what to delete, like r@master:/PATH\n"]);
    }
    assert.match((await stage.call("file", "list", "r")).stdout, /\/b\n$/);
    assert.equal((await stage.call("file", "put", "r@master", "missing")).code, 1);
    mkdirSync(join(stage.dir, "other"));
    writeFileSync(join(stage.dir, "other/a"), "2");
    const twins = await stage.call("file", "put", "r@master", "in/a", "in/b", "other/a");
    assert.deepEqual(
      [twins.code, twins.stderr],
      [
        2,
        'sheaf: "in/a" and "other/a" have one name, and would be one file: put one of them elsewhere, like REPO@BRANCH:/FOLDER\n',
      ],
    );
    const unasked = await stage.call("file", "put", "r@master", "in");
    assert.deepEqual(
      [unasked.code, unasked.stderr],
      [2, 'sheaf: "in" is a folder: give -r in to put all that is in it\n'],
    );
  });

  it("put what a link leads to under the link's name, and nothing but files", async () => {
    await stage.startCluster();
    await stage.call("repo", "create", "r");
    stage.input({ a: "1" });
    symlinkSync("in/a", join(stage.dir, "link"));
    assert.equal((await stage.call("file", "put", "r@master", "link")).code, 0);
    assert.equal((await stage.call("file", "get", "r@master:/link", "-o", "-")).stdout, "1");
    const device = await stage.call("file", "put", "r@master", "/dev/null");
    assert.match(device.stderr, /^sheaf: cannot read "\/dev\/null": it is not a regular file; nothing was committed/);
  });

  it("create a pipeline from a file and wait for its job", async () => {
    await stage.startCluster();
    await stage.call("repo", "create", "logs");
    stage.input({ a: "1" });
    writeFileSync(
      join(stage.dir, "p.yaml"),
      "pipeline: {name: p}\ninput: {pfs: {repo: logs, glob: /*}}\ntransform: {cmd: [cp]}\n",
    );
    assert.equal((await stage.call("pipeline", "create", "-f", "p.yaml")).stdout, "created pipeline p\n");
    const early = await stage.call("job", "wait", "p");
    assert.deepEqual(
      [early.code, early.stderr],
      [1, 'sheaf: pipeline "p" has no job; put files: sheaf file put logs@master -r DIR\n'],
    );
    await stage.call("file", "put", "logs@master", "-r", "in");
    const waited = await stage.call("job", "wait", "p");
    assert.equal(waited.code, 0);
    assert.match(waited.stdout, /^job jp has succeeded: 1 datum; the result is p@master\n$/);
    const watched = (await stage.call("job", "watch", "p", "--json")).stdout.trim().split("\n");
    assert.deepEqual(
      watched.map((row) => JSON.parse(row).state),
      ["JOB_STATE_PROCESSING", "JOB_STATE_SUCCEEDED"],
    );
    assert.match(
      (await stage.call("cluster", "why")).stdout,
      /^PIPELINE +WANTED +RUNNING +READY +DRAINING +LIMIT +SHARE +WHY\np +4 +3 +2 +1 +4 +8 +8 datums to do\n$/,
    );
    assert.equal(JSON.parse((await stage.call("cluster", "why", "p", "--json")).stdout).pool.wanted, 4);
    assert.match(
      (await stage.call("pipeline", "inspect", "p")).stdout,
      /\nworkers: +2 of 4 wanted, and 1 that leave, at most 4: 8 datums to do\n/,
    );
    assert.match((await stage.call("pipeline", "inspect", "p")).stdout, /spec:\npipeline:\n {2}name: p\n/);
  });
});
