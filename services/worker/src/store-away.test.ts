// A store that is not to be had for a while in the middle of a job: it costs time, no try, and no work. At full size: test/bench/trouble.ts.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { api, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { JOB, outcomesOf, specOf } from "./testing/job-kit.ts";
import { openBench } from "./testing/worker-kit.ts";

const isRoot = process.getuid?.() === 0;
const mount = (...args: string[]) => execFileSync("mount", args, { stdio: "ignore" });
const AWAY_MS = 2_500; // A cut comes every second.

interface Outage {
  readonly what: string;
  readonly needsRoot: boolean;
  begin(folder: string): void;
  end(folder: string): void;
}

const OUTAGES: readonly Outage[] = [
  {
    ...{ what: "whose folder was moved away, with another in its place", needsRoot: false },
    begin: (folder) => {
      renameSync(folder, `${folder}-away`);
      mkdirSync(folder);
    },
    end: (folder) => {
      rmdirSync(folder); // Nothing was written into it.
      renameSync(`${folder}-away`, folder);
    },
  },
  {
    ...{ what: "that is read-only", needsRoot: true },
    begin: (folder) => {
      mount("--bind", folder, folder);
      mount("-o", "remount,ro,bind", folder);
    },
    end: (folder) => execFileSync("umount", ["-l", folder]),
  },
];

describe("a store", () => {
  for (const { what, needsRoot, begin, end } of OUTAGES) {
    it(`${what}, for a while, costs time, no try, and nothing is run again`, async (t) => {
      if (needsRoot && !isRoot) return t.skip("needs root");
      await using bench = await openBench();
      const ran = join(bench.dir, "ran");
      appendFileSync(ran, "");
      const script = 'echo "$SHEAF_INPUT" >>"$RAN"; sleep 0.3; cp "$SHEAF_INPUT" "$SHEAF_OUT/x"';
      const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`/f${i}`, `${i}`.repeat(100_000)]));
      const spec = specOf({ cmd: ["sh", "-c", script], env: { RAN: ran } }, { datumTries: 1 });
      const { input, n } = await bench.plan(spec, files);
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: n, input });
      while (readFileSync(ran, "utf8").split("\n").length < 4) await systemClock.sleep(20);
      const folder = join(bench.dir, "store");
      begin(folder);
      try {
        await systemClock.sleep(AWAY_MS);
      } finally {
        end(folder);
      }
      await bench.owner.complete();
      const outcomes = await outcomesOf(bench.store, bench.owner.taken);
      for (const { row, files: left } of outcomes) {
        assert.deepEqual([row.state, row.tries, row.message], [api.DatumState.SUCCESS, 1, ""]);
        assert.equal(left.get("/x"), files[row.inputs[0] ?? ""]);
      }
      assert.equal(readFileSync(ran, "utf8").split("\n").length - 1, n);
    });
  }
});
