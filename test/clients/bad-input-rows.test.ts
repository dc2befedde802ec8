import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { ELSEWHERE, FIRST_TO_LAST, IN_TABLES } from "./bad-input-rows.ts";

const ROOT = join(import.meta.dirname, "..", "..");

it("every row of bad inputs is in a table, or named with the test that has it", () => {
  const rows = new Set([...IN_TABLES, ...ELSEWHERE.flatMap((each) => each.rows)]);
  for (const [first, last] of FIRST_TO_LAST)
    for (let row = first; row <= last; row++) assert.ok(rows.has(row), `row ${row} is nowhere`);
  for (const {
    rows: [row],
    file,
    test,
  } of ELSEWHERE)
    assert.ok(readFileSync(join(ROOT, file), "utf8").includes(test), `row ${row}: ${file} has no ${test}`);
});
