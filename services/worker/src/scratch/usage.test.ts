import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { usedBytes } from "./usage.ts";

const root = mkdtempSync(join(tmpdir(), "sheaf-usage-test-"));
after(() => rmSync(root, { recursive: true }));

test("counts the bytes of files at any depth, and neither links, holes nor what is not there", async () => {
  mkdirSync(join(root, "a/b"), { recursive: true });
  writeFileSync(join(root, "a/one"), "x".repeat(100));
  writeFileSync(join(root, "a/b/two"), "x".repeat(10_000));
  writeFileSync(join(root, "hole"), "");
  truncateSync(join(root, "hole"), 1_000_000_000);
  symlinkSync("/usr", join(root, "a/link"));
  assert.equal(await usedBytes([root, join(root, "gone")], 1_000_000), 10_100);
  assert.equal(await usedBytes([root], 1_000_000, join(root, "a/b")), 100);
});

test("ends when there is more than the limit", async () => {
  for (let i = 0; i < 1_000; i++) writeFileSync(join(root, `f${i}`), "x".repeat(10));
  const used = await usedBytes([root], 500);
  assert.ok(used > 500 && used < 20_000, `${used}`);
});
