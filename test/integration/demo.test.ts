// `npm run demo`, as a newcomer types it: its result is that of counting the same files in one go.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const PROJECT = join(import.meta.dirname, "..", "..");

/** Regular files only: links are not followed. */
function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return files(path);
    return entry.isFile() && /\.(md|ts|js)$/.test(entry.name) ? [path] : [];
  });
}

function count(paths: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const path of paths) {
    for (const [word] of readFileSync(path, "latin1").matchAll(/[A-Za-z]+/g)) {
      const lower = word.toLowerCase();
      counts.set(lower, (counts.get(lower) ?? 0) + 1);
    }
  }
  return counts;
}

test("npm run demo counts every word of every file, says so, and leaves no process behind", () => {
  const paths = files(join(PROJECT, "node_modules"));
  const { status, stdout, stderr } = spawnSync("npm", ["run", "demo"], { cwd: PROJECT, encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
  assert.match(
    stdout,
    new RegExp(`${paths.length} datums, [\\d.]+ MiB, [\\d.]+ s; the merged result: \\.sheaf/demo/counts`),
  );
  const expected = count(paths);
  const rows = readFileSync(join(PROJECT, ".sheaf", "demo", "counts"), "utf8").split("\n");
  assert.equal(rows.pop(), "");
  assert.deepEqual(
    rows,
    [...expected]
      .map(([word, n]) => `${word}\t${n}`)
      .sort((a, b) => ((a.split("\t")[0] ?? "") < (b.split("\t")[0] ?? "") ? -1 : 1)),
  );
  for (const [word, n] of [...expected].sort(([, a], [, b]) => b - a).slice(0, 3)) {
    assert.match(stdout, new RegExp(`${n}\\s+${word}\\n`));
  }
});
