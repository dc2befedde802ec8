import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FolderSync } from "./folder-sync.ts";

test("those who ask while a sync runs share the next one", async () => {
  const dir = mkdtempSync(join(tmpdir(), "sheaf-sync-"));
  const sync = new FolderSync(dir);
  const first = sync.sync();
  const second = sync.sync();
  assert.notEqual(first, second);
  assert.equal(sync.sync(), second);
  await Promise.all([first, second]);
  assert.notEqual(sync.sync(), second);
  await sync.sync();
  await sync.close();
  rmSync(dir, { recursive: true });
});

test("a folder that is not there fails those who wait, each time", async () => {
  const sync = new FolderSync("/nonexistent/folder");
  const both = await Promise.allSettled([sync.sync(), sync.sync()]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  await sync.close();
});
