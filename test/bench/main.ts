// `npm run bench`: Sheaf beside what a user would write without it, in the same run on the same machine. Ratios count; absolute times
// say more about the machine. `--runs N` (default 5), `--only files,datums,words,warm,cold,tail,slow,etcd,large,overlap,trouble,api,s3`; s3
// runs only when it is named: it needs the AWS CLI.

import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { coldRun } from "./cold-run.ts";
import { etcdOperations } from "./etcd-operations.ts";
import { heavyTail } from "./heavy-tail.ts";
import { manyDatums } from "./many-datums.ts";
import { manyFiles } from "./many-files.ts";
import { oneLarge } from "./one-large.ts";
import { overlap } from "./overlap.ts";
import { publicApi } from "./public-api.ts";
import type { Row } from "./row.ts";
import { s3 } from "./s3.ts";
import { slowWorker } from "./slow-worker.ts";
import { trouble } from "./trouble.ts";
import { warmJob } from "./warm-job.ts";
import { wordCount } from "./word-count.ts";

const BENCHES = {
  ...{ files: manyFiles, datums: manyDatums, words: wordCount, warm: warmJob, cold: coldRun },
  ...{ tail: heavyTail, slow: slowWorker, etcd: etcdOperations, large: oneLarge, overlap, trouble, api: publicApi, s3 },
} as const;
const ONLY_WHEN_NAMED = ["s3"];

const { values } = parseArgs({ options: { runs: { type: "string", default: "5" }, only: { type: "string" } } });
const runs = Number(values.runs);
const names = (values.only?.split(",") ??
  Object.keys(BENCHES).filter((name) => !ONLY_WHEN_NAMED.includes(name))) as (keyof typeof BENCHES)[];
const unknown = names.find((name) => !(name in BENCHES));
if (unknown !== undefined || !Number.isInteger(runs) || runs < 1) {
  console.error(`usage: npm run bench -- [--runs N] [--only ${Object.keys(BENCHES).join(",")}]`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "sheaf-bench-"));
const rows: Row[] = [];
try {
  for (const name of names) {
    console.error(`${name}: ${runs} runs`);
    rows.push(...[await BENCHES[name](join(folder, name), runs)].flat());
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const cpu = cpus();
console.log(
  `\n${cpu.length} x ${cpu[0]?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
);
console.log("\n| what | Sheaf | against | ratio or limit | reached |\n|---|---|---|---|---|");
for (const row of rows) {
  console.log(
    `| ${row.what} | ${row.ours} | ${row.against} | ${row.goal} | ${row.reached ? "yes" : "NO"}: ${row.figure} |`,
  );
}
