/**
 * `npm run sim -- --seeds N --from SEED`: N histories of the ledger under faults, one after the other from a seed on; without a
 * seed, from a fresh one. `--tell SEED` tells one history, line by line. Exit code 1: a history is broken.
 */
import { systemRandom } from "@sheaf/runtime";
import { campaign } from "./campaign.ts";
import { numberOf, readOptions } from "./options.ts";
import { replayOf } from "./replay.ts";
import { runSeed } from "./run-seed.ts";

const USAGE = "usage: npm run sim -- [--seeds N] [--from SEED] | --tell SEED";
const values = readOptions(
  { seeds: { type: "string", default: "2000" }, from: { type: "string" }, tell: { type: "string" } },
  USAGE,
);

if (values.tell !== undefined) {
  const { history, violation } = await runSeed(numberOf("tell", values.tell, USAGE), true);
  console.log(history);
  console.log(violation === null ? "nothing is broken" : `${violation.invariant}: ${violation.message}`);
  process.exitCode = violation === null ? 0 : 1;
} else {
  const seeds = numberOf("seeds", values.seeds, USAGE, { least: 1 });
  const from = values.from === undefined ? systemRandom.int(2 ** 31) : numberOf("from", values.from, USAGE);
  console.log(`${seeds} histories from seed ${from}`);
  const cpu = process.cpuUsage();
  const { run, broken, events, ends } = await campaign(from, seeds, (done) => {
    if (done % 10_000 === 0) console.log(`${done} histories`);
  });
  const { user, system } = process.cpuUsage(cpu);
  const minutes = (user + system) / 60e6;
  for (const result of broken) console.log(await replayOf(result));
  const told = Object.entries(ends).map(([end, count]) => `${count} ${end}`);
  console.log(`jobs: ${told.join(", ")}; ${Math.round(events / run)} events a history`);
  console.log(
    `${run - broken.length} good, ${broken.length} broken; ${Math.round(run / minutes)} histories a minute of one core`,
  );
  process.exitCode = broken.length === 0 ? 0 : 1;
}
