// resource_limits.disk while commands run: who writes more is ended, in whatever way it is run, and the others go on.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { type DatumOutcome, type SpecInit, specOf } from "./testing/job-kit.ts";
import { openBench, PLACES } from "./testing/worker-kit.ts";

const { SUCCESS, FAILED, RECOVERED } = api.DatumState;
const FILES = { "/a": "", "/b": "", "/c": "" };
const told = (outcomes: readonly DatumOutcome[]) => outcomes.map(({ row }) => [row.state, row.tries, row.reason]);
const limited = (transform: Partial<api.Transform>, tries = 1): SpecInit =>
  specOf(transform, { datumTries: tries, resourceLimits: { disk: "1MB" } as never });

/** Of b it never ends; the others need longer than a look. */
const WRITE =
  'case $SHEAF_INPUT in */b) head -c 1000001 /dev/zero >"$SHEAF_OUT/f"; sleep 1000 ;; *) sleep 1.5; echo 1 >"$SHEAF_OUT/f" ;; esac';

for (const { where, pod } of PLACES) {
  describe(`a command that writes more than resource_limits.disk and does not end, with commands ${where}`, () => {
    it("is ended, and spends its tries; those beside it go on", async () => {
      await using bench = await openBench({ pod, slots: 2 });
      const outcomes = await bench.run(limited({ cmd: ["sh", "-c", WRITE] }, 2), FILES);
      assert.deepEqual(told(outcomes), [
        [SUCCESS, 1, ""],
        [FAILED, 2, "OUTPUT_TOO_LARGE"],
        [SUCCESS, 1, ""],
      ]);
      assert.match(outcomes[1]?.row.message ?? "", /more than the 1000000 bytes that resource_limits\.disk allows/);
    });

    it("is ended in a batch, and err_cmd is told", async () => {
      await using bench = await openBench({ pod });
      const script = `exec 3<"$SHEAF_DATUMS" 4>"$SHEAF_RESULTS"
      while read -r number file <&3; do . "$file"; ${WRITE}; echo "ok $number" >&4; done`;
      const errCmd = ["sh", "-c", '[ "$SHEAF_FAILURE_REASON" = OUTPUT_TOO_LARGE ]'];
      const outcomes = await bench.run(limited({ cmd: ["sh", "-c", script], datumBatching: true, errCmd }), FILES);
      assert.deepEqual(told(outcomes), [
        [SUCCESS, 1, ""],
        [RECOVERED, 1, "OUTPUT_TOO_LARGE"],
        [SUCCESS, 1, ""],
      ]);
    });

    it("is ended when it is a handler that writes files", async () => {
      await using bench = await openBench({ pod });
      const handler = `
      import { writeFileSync } from "node:fs";
      export default async (datum) => {
        if (datum.inputs[0].path !== "/b") return datum.write("f", "1");
        writeFileSync(datum.out + "/f", "x".repeat(1_000_001));
        await new Promise((resolve) => setTimeout(resolve, 1_000_000));
      };`;
      const outcomes = await bench.run(limited({ handler }), FILES);
      assert.deepEqual(told(outcomes), [
        [SUCCESS, 1, ""],
        [FAILED, 1, "OUTPUT_TOO_LARGE"],
        [SUCCESS, 1, ""],
      ]);
    });
  });
}
