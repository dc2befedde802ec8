// What runs while things go wrong: pipelines whose right result is known before, round after round. Pure.
//
// A round changes some files of the input, and so makes a commit and a job that runs all of them (`every_job`). The commands write down the beginning
// and the end of each execution (monotonic time by /proc/uptime, job, file, their place), and never lie: so what was executed how
// often, by whom and when is known from them alone.

import { api } from "@sheaf/proto";
import { type Random, seededRandom } from "@sheaf/runtime";
import { COUNT_WORDS, wordCounts, wordFiles } from "../kit/tree.ts";

export interface ChaosPipeline {
  readonly name: string;
  readonly repo: string;
  readonly workers: number;
  readonly merge: api.MergeStrategy;
  /** Tries of a datum. */
  readonly tries: number;
  /** Datums of each job. */
  readonly datums: number;
  readonly script: (folder: string) => string;
  /** Files that round `round` of the run puts; the first round puts all. */
  files(seed: number, round: number): Map<string, string>;
  /** What the result is over all files of the input. */
  expected(input: ReadonlyMap<string, string>): Map<string, string>;
  /** Whether the first execution of a datum over this file fails. */
  failsFirst(file: string): boolean;
}

export const GLOB = "/docs/*";
/** Files that change from one round to the next. */
const CHANGED = 3;

/** Notes the beginning, does `work`, notes the end: "seconds job file what place", in one write each. */
function noting(name: string, folder: string, work: string): string {
  return [
    `note() { read -r up _ < /proc/uptime; echo "$up $SHEAF_JOB_ID \${SHEAF_INPUT##*/} $1 $SHEAF_OUT" >> ${folder}/notes/${name}; }`,
    "set -e",
    "note begin",
    work,
    "note end",
  ].join("\n");
}

/** Fails when it is the first to come for this datum of this job, by a file that only one can create. */
function failFirst(folder: string): string {
  const mark = `"${folder}/marks/$SHEAF_JOB_ID-\${SHEAF_INPUT##*/}"`;
  return `case "$SHEAF_INPUT" in *[05].txt) if (set -C; : > ${mark}) 2> /dev/null; then note fail; exit 1; fi;; esac`;
}

const shared = { failsFirst: () => false, tries: 3 } as const;

/** Many small datums of 20 to 40 ms; results are added up. */
const COUNT: ChaosPipeline = {
  ...shared,
  name: "count",
  repo: "words",
  workers: 2,
  merge: api.MergeStrategy.SUM,
  datums: 150,
  script: (folder) => noting("count", folder, `${COUNT_WORDS}; sleep 0.02`),
  files: (seed, round) => changing(150, 30, seed, round),
  expected: (input) => new Map([["/counts", wordCounts(input)]]),
};

/** Few datums, one in ten of them 20 times as long; their outputs are put one after another. */
const TAIL: ChaosPipeline = {
  ...shared,
  name: "tail",
  repo: "texts",
  workers: 2,
  merge: api.MergeStrategy.CONCAT,
  datums: 60,
  script: (folder) =>
    noting(
      "tail",
      folder,
      [
        `cat "$SHEAF_INPUT" > "$SHEAF_OUT/all"`,
        `cat "$SHEAF_INPUT" > "$SHEAF_OUT/copy-\${SHEAF_INPUT##*/}"`,
        `case "$SHEAF_INPUT" in *7.txt) sleep 0.6;; *) sleep 0.03;; esac`,
      ].join("\n"),
    ),
  files: (seed, round) => changing(60, 40, seed + 1, round),
  expected: (input) => {
    const sorted = [...input].sort(([a], [b]) => (a < b ? -1 : 1));
    const copies = sorted.map(([path, text]) => [`/copy-${path.split("/").at(-1)}`, text] as const);
    return new Map([["/all", sorted.map(([, text]) => text).join("")], ...copies]);
  },
};

/** A command that fails the first time that it sees one datum in five; two tries are all that a datum has. */
const FLAKY: ChaosPipeline = {
  ...shared,
  name: "flaky",
  repo: "notes",
  workers: 1,
  merge: api.MergeStrategy.CONCAT,
  tries: 2,
  datums: 30,
  script: (folder) =>
    noting("flaky", folder, `${failFirst(folder)}\nsort "$SHEAF_INPUT" > "$SHEAF_OUT/\${SHEAF_INPUT##*/}"; sleep 0.05`),
  failsFirst: (file) => /[05]\.txt$/.test(file),
  files: (seed, round) => changing(30, 10, seed + 2, round),
  expected: (input) => new Map([...input].map(([path, text]) => [`/${path.split("/").at(-1)}`, text])),
};

export const PIPELINES: readonly ChaosPipeline[] = [COUNT, TAIL, FLAKY];

/** All files at first, then CHANGED of them with other words: a pure function of the seed and the round. */
function changing(count: number, words: number, seed: number, round: number): Map<string, string> {
  const all = [...wordFiles(count, words)];
  if (round === 0) return new Map(all);
  const random = seededRandom(seed * 1_000 + round);
  return new Map(
    Array.from({ length: CHANGED }, () => {
      const [path] = all[random.int(count)] as [string, string];
      return [path, `${Array.from({ length: words }, () => word(random)).join(" ")}\n`];
    }),
  );
}

function word(random: Random): string {
  return `word${random.int(500)}`;
}
