import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { systemRandom } from "@sheaf/runtime";
import { lockDir } from "./dir-lock.ts";
import { ownRecord } from "./process-record.ts";

describe("lockDir()", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "sheaf-lock-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it("lets one in, names it to the others, and lets the next in when it is gone", async () => {
    const first = await lockDir(dir, systemRandom);
    await assert.rejects(lockDir(dir, systemRandom), {
      reason: "DATA_DIR_IN_USE",
      message: new RegExp(`${dir} is in use by another sheaf \\(process ${process.pid}\\)`),
    });
    await first.release();
    await (await lockDir(dir, systemRandom)).release();
    assert.deepEqual(await readdir(dir), ["lock.2"]);
  });

  it("says why it cannot write: the folder may be a file", async () => {
    const path = join(dir, "notes.txt");
    await writeFile(path, "");
    await assert.rejects(lockDir(path, systemRandom), {
      reason: "DATA_DIR_NOT_WRITABLE",
      message: /^cannot write to the data folder .*notes\.txt: EEXIST: .*; choose another with --data$/,
    });
  });

  it("takes the lock of a process that was killed, also one whose id another process has now", async () => {
    await writeFile(join(dir, "lock.7"), JSON.stringify({ ...ownRecord(), start: "1" }));
    const lock = await lockDir(dir, systemRandom);
    await assert.rejects(lockDir(dir, systemRandom), { reason: "DATA_DIR_IN_USE" });
    await lock.release();
  });

  it("lets exactly one of many take a stale lock", async () => {
    await writeFile(join(dir, "lock.7"), JSON.stringify({ ...ownRecord(), start: "1" }));
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => lockDir(dir, systemRandom)));
    assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
  });
});
