// What it costs to run commands in a container beside the worker instead of here: datums per second, in turn, in one run. Takes root.
//
//   node services/worker/src/pod.bench.ts

import { store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { JOB, specOf } from "./testing/job-kit.ts";
import { openBench, PLACES } from "./testing/worker-kit.ts";

const DATUMS = 400;
const ROUNDS = 3;
const files = Object.fromEntries(Array.from({ length: DATUMS }, (_, i) => [`/f${i}`, "x".repeat(1_024)]));
const wc = 'wc -c <"$SHEAF_INPUT" >"$SHEAF_OUT/n"';
const COMMANDS = {
  // Here a subshell of the launcher evaluates it; a container's launcher is not the image's sh.
  "sh -c 'wc -c <in >out'": ["sh", "-c", wc],
  "the same, not to be evaluated": ["sh", "-c", `: $$; ${wc}`],
  "cp in out": ["sh", "-c", 'exec cp "$SHEAF_INPUT" "$SHEAF_OUT/n"'],
};

for (let round = 0; round < ROUNDS; round++) {
  for (const [what, cmd] of Object.entries(COMMANDS)) {
    for (const { where, pod } of PLACES) {
      await using bench = await openBench({ pod });
      const { input, n } = await bench.plan(specOf({ cmd }), files);
      const began = systemClock.now();
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: n, input });
      await bench.owner.complete();
      const perSecond = Math.round((1_000 * n) / (systemClock.now() - began));
      console.log(JSON.stringify({ round, what, where, perSecond }));
    }
  }
}
process.exit();
