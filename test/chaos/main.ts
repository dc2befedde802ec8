// `npm run chaos -- [--minutes M | --kills N]`: a chaos run and its check. `npm run chaos -- --check DIR` checks the artefacts of an
// earlier run again.
//
// Exit code: 0 all invariants hold, 1 one is broken, 2 wrong usage.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { numberOf, readOptions, wrongUsage } from "../kit/arguments.ts";
import { checkRun } from "./check/check.ts";
import { FAULTS } from "./faults/catalogue.ts";
import { planFaults, planKills } from "./plan.ts";
import { reportOf } from "./report.ts";
import { runChaos } from "./run.ts";

const OPTIONS = {
  seed: { type: "string" },
  minutes: { type: "string", default: "2" },
  kills: { type: "string" },
  every: { type: "string", default: "2" },
  masters: { type: "string", default: "2" },
  merges: { type: "string", default: "2" },
  "no-fsync": { type: "boolean", default: false },
  only: { type: "string" },
  out: { type: "string" },
  check: { type: "string" },
} as const;
const USAGE = `usage: npm run chaos -- [--seed S] [--minutes M | --kills N [--every SECONDS]] [--masters N] [--merges N] [--no-fsync] [--only ${"KIND,..."}] [--out DIR]
       npm run chaos -- --check DIR
kinds: ${FAULTS.map(({ kind }) => kind).join(" ")}`;

/** After the last fault; a job of some seconds, a lease's end, a takeover, three times. */
const PATIENCE_MS = 90_000;
const PAUSE_MS = [2_000, 14_000] as const;

// Node 24 was seen to spin for ever in its own clean-up, when all was said and nothing was open any more: exiting leaves that out.
process.exit(await main());

async function main(): Promise<number> {
  const values = readOptions(OPTIONS, USAGE);
  if (values.check !== undefined) {
    const old = resolve(values.check);
    if (!existsSync(join(old, "run.json")))
      wrongUsage(`${old} holds no artefacts of a run: there is no run.json`, USAGE);
    return judge(old);
  }
  const only = values.only?.split(",");
  const unknown = only?.find((kind) => !FAULTS.some((fault) => fault.kind === kind));
  if (unknown !== undefined) wrongUsage(`there is no fault "${unknown}"`, USAGE);
  const number = (name: "minutes" | "every" | "masters" | "merges", limits: Parameters<typeof numberOf>[3]) =>
    numberOf(name, values[name], USAGE, limits);
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : numberOf("seed", values.seed, USAGE);
  const shape = { masters: number("masters", { least: 1 }), merges: number("merges", { least: 1 }) };
  const folder = values.out === undefined ? mkdtempSync(join(tmpdir(), `sheaf-chaos-${seed}-`)) : resolve(values.out);
  const faults = chosen(only, !values["no-fsync"]);
  const plan =
    values.kills === undefined
      ? planFaults({ seed, ms: number("minutes", { parts: true }) * 60_000, kinds: faults, pauseMs: PAUSE_MS })
      : planKills({
          ...{ seed, kills: numberOf("kills", values.kills, USAGE, { least: 1 }) },
          everyMs: number("every", { parts: true }) * 1_000,
          only: only ?? [],
        });
  console.log(`seed ${seed}: ${plan.length} faults; artefacts in ${folder}`);
  const stopped = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopped.abort());
  await runChaos({
    folder,
    seed,
    faults,
    plan,
    shape: { ...shape, fsync: !values["no-fsync"] },
    patienceMs: PATIENCE_MS,
    stopped: stopped.signal,
    say: (line) => console.log(line),
  });
  return judge(folder);
}

function judge(folder: string): number {
  const verdict = checkRun(folder);
  console.log(reportOf(verdict, folder));
  return verdict.broken.length === 0 ? 0 : 1;
}

/** The kinds that were asked for, less those that cannot be done: faults of a disk need strace, and an etcd that syncs to it. */
function chosen(only: readonly string[] | undefined, fsync: boolean) {
  const canInject = fsync && spawnSync("strace", ["-V"]).status === 0;
  const cannot = FAULTS.filter(({ needs }) => needs === "strace" && !canInject);
  if (cannot.length > 0) {
    const why = fsync ? "there is no strace" : "etcd does not sync";
    console.log(`${why}, and so without ${cannot.map(({ kind }) => kind).join(", ")}`);
  }
  return FAULTS.filter((fault) => !cannot.includes(fault) && (only === undefined || only.includes(fault.kind)));
}
