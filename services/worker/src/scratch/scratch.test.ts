import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { SheafError } from "@sheaf/runtime";
import { openScratch } from "./scratch.ts";

const root = mkdtempSync(join(tmpdir(), "sheaf-scratch-test-"));
after(() => rmSync(root, { recursive: true }));

describe("openScratch()", () => {
  it("does not take a file for a worker that runs", () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    assert.throws(
      () => openScratch(file, "w1"),
      (error) => error instanceof SheafError && error.reason === "SCRATCH_UNUSABLE",
    );
    rmSync(file);
  });

  it("makes a folder for this worker alone, and refuses one that is in use", () => {
    const data = join(root, "a/b");
    const folder = openScratch(data, "w1");
    assert.equal(folder, join(data, "w1"));
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(data).mode & 0o777, 0o700);
    assert.throws(
      () => openScratch(data, "w1"),
      (error) => error instanceof SheafError && error.reason === "SCRATCH_IN_USE",
    );
    openScratch(data, "w2");
    assert.deepEqual(readdirSync(data), ["w1", "w2"]);
  });

  it("removes what dead workers left, and nothing else", () => {
    const data = join(root, "c");
    for (const [name, owner] of [
      ["dead", "999999999 1"],
      ["reused", `${process.pid} 1`],
    ] as const) {
      mkdirSync(join(data, name, "datums"), { recursive: true });
      writeFileSync(join(data, name, "owner"), owner);
    }
    mkdirSync(join(data, "mine"));
    writeFileSync(join(data, "file"), "");
    openScratch(data, "dead");
    assert.deepEqual(readdirSync(data).sort(), ["dead", "file", "mine"]);
    assert.equal(existsSync(join(data, "dead/datums")), false);
  });

  it("says which folder cannot be used", () => {
    writeFileSync(join(root, "no-folder"), "");
    assert.throws(
      () => openScratch(join(root, "no-folder"), "w"),
      (error) => error instanceof SheafError && error.message.includes("no-folder"),
    );
  });
});
