import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { prepareResultFolder } from "./result-folder.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sheaf-cli-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("prepareResultFolder", () => {
  it("holds a result whole or not at all", () => {
    const result = prepareResultFolder(join(dir, "a/b"));
    mkdirSync(join(result.stage, "sub"));
    writeFileSync(join(result.stage, "sub/x"), "1");
    assert.deepEqual(readdirSync(result.path), [".sheaf-partial"]);
    result.accept();
    assert.deepEqual(readdirSync(result.path), ["sub"]);
    result.clean();
    assert.deepEqual(readdirSync(join(result.path, "sub")), ["x"]);
  });

  it("removes what it made, and nothing else, when there is no result", () => {
    mkdirSync(join(dir, "mine"));
    const result = prepareResultFolder(join(dir, "mine/a/b"));
    writeFileSync(join(result.stage, "half"), "1");
    result.clean();
    result.clean();
    assert.deepEqual(readdirSync(join(dir, "mine")), []);
    const empty = prepareResultFolder(join(dir, "mine"));
    empty.clean();
    assert.ok(existsSync(join(dir, "mine")));
  });

  it("says what it is that a run which was killed has left, for nothing else is seen there", () => {
    prepareResultFolder(join(dir, "killed")); // and never cleaned
    const message = /killed\/\.sheaf-partial" is of another run that still goes on, or was killed/;
    assert.throws(() => prepareResultFolder(join(dir, "killed")), { code: "INVALID_ARGUMENT", message });
  });

  it("keeps what somebody put beside it", () => {
    const result = prepareResultFolder(join(dir, "new"));
    writeFileSync(join(result.path, "users"), "1");
    result.clean();
    assert.deepEqual(readdirSync(join(dir, "new")), ["users"]);
  });

  it("refuses a folder that is not empty, a file, and a place that cannot be written", () => {
    writeFileSync(join(dir, "file"), "");
    assert.throws(() => prepareResultFolder(dir), { code: "INVALID_ARGUMENT", reason: "OUTPUT_NOT_EMPTY" });
    assert.throws(() => prepareResultFolder(join(dir, "file")), { reason: "OUTPUT_NOT_A_FOLDER" });
    assert.throws(() => prepareResultFolder(join(dir, "file/sub")), { code: "INVALID_ARGUMENT" });
  });
});
