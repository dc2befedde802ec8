// What users throw at a worker: all of testing/bad-commands.ts and bad-outputs.ts, as datums of a few jobs, so that each is seen to leave the others alone.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { api } from "@sheaf/proto";
import { findCgroups } from "./launcher/cgroups.ts";
import { type BadCommand, ELSEWHERE, HANGING, LIMITED, PLAIN, RETRIED } from "./testing/bad-commands.ts";
import { OUTPUTS } from "./testing/bad-outputs.ts";
import { type DatumOutcome, specOf } from "./testing/job-kit.ts";
import { openBench, PLACES } from "./testing/worker-kit.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const marks = mkdtempSync(join(tmpdir(), "sheaf-marks-"));
after(() => rmSync(marks, { recursive: true }));

const has = { root: process.getuid?.() === 0, cgroups: findCgroups()?.parents.size === 3 };

const seconds = (n: number) => ({ seconds: BigInt(n), nanos: 0 }) as never;

/** Runs all of them in one job, and a datum that does as it should after each. */
async function runAll(
  t: TestContext,
  { where, pod }: (typeof PLACES)[number],
  commands: readonly BadCommand[],
  more: Partial<api.PipelineSpec>,
): Promise<void> {
  process.env.ROW_55 = "secret";
  const can = pod === undefined ? has : { root: has.root, cgroups: false };
  const able = commands.filter(({ needs, notIn }) => (needs === undefined || can[needs]) && notIn !== where);
  if (able.length < commands.length) t.diagnostic(`${commands.length - able.length} rows need root or cgroups`);
  const files = able.flatMap(({ script }, i) => {
    const number = String(i).padStart(2, "0");
    return [
      [`/${number}`, script],
      [`/${number}-neighbour`, `cat "$SHEAF_INPUT" >"$SHEAF_OUT/copy"; ls -A . pfs pfs/in`],
    ] as const;
  });
  await using bench = await openBench({ graceMs: 300, pod });
  const transform = { cmd: ["sh", "-c", 'exec sh "$SHEAF_INPUT"'], env: { MARKS: mkdtempSync(join(marks, "run-")) } };
  const outcomes = await bench.run(specOf(transform, more), Object.fromEntries(files), files.length);
  for (const [i, command] of able.entries()) {
    assertEnd(outcomes[2 * i] as DatumOutcome, command);
    const [path, script = ""] = files[2 * i + 1] ?? [];
    const outcome = outcomes[2 * i + 1] as DatumOutcome;
    const { row, files: left } = outcome;
    assert.equal(row.message, "", `after row ${command.row}, ${command.what}`);
    assert.deepEqual(Object.fromEntries(left), { "/copy": script });
    assert.equal(textOf(outcome), `.:\npfs\n\npfs:\nin\nout\n\npfs/in:\n${path?.slice(1)}`);
  }
}

function assertEnd(outcome: DatumOutcome, command: BadCommand): void {
  const { row, files } = outcome;
  const { reason = "", message, tries = 1 } = command;
  const shown = `row ${command.row}, a command that ${command.what}: ${row.message}`;
  assert.equal(row.reason, reason, shown);
  assert.equal(row.state, reason === "" ? api.DatumState.SUCCESS : api.DatumState.FAILED, shown);
  if (message !== undefined) assert.match(row.message, message, shown);
  assert.equal(row.tries, tries, shown);
  if (command.log !== undefined) assert.match(textOf(outcome), command.log, shown);
  assert.deepEqual(Object.fromEntries(files), command.files ?? {}, shown);
}

/** What the last try wrote. */
const textOf = ({ log, row }: DatumOutcome) =>
  log
    .filter(({ attempt }) => attempt === row.tries)
    .map(({ text }) => Buffer.from(text).toString())
    .join("\n");

for (const place of PLACES) {
  describe(`bad commands, run ${place.where}`, () => {
    it("end as the table says, and leave the others alone", (t) =>
      runAll(t, place, [...PLAIN, ...OUTPUTS], { datumTries: 1 }));

    it("are run again when they have tries left", (t) => runAll(t, place, RETRIED, { datumTries: 2 }));

    it("are ended at their timeout", (t) => runAll(t, place, HANGING, { datumTries: 1, datumTimeout: seconds(1) }));

    it("are held to their limits", (t) =>
      runAll(t, place, LIMITED, {
        datumTries: 1,
        datumTimeout: seconds(10),
        resourceLimits: { memory: "64Mi", pids: 32, disk: "1MB" } as never,
      }));
  });
}

describe("the table of bad commands", () => {
  it("are all here, or named with the test that has them", () => {
    const rows = new Set(
      [...PLAIN, ...OUTPUTS, ...RETRIED, ...HANGING, ...LIMITED, ...ELSEWHERE].map(({ row }) => row),
    );
    for (let row = 41; row <= 78; row++) assert.ok(rows.has(row), `row ${row} is nowhere`);
    for (const { row, file, test } of ELSEWHERE)
      assert.ok(readFileSync(join(ROOT, file), "utf8").includes(test), `row ${row}: ${file} has no ${test}`);
  });
});
