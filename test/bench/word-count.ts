import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sheafRun, timed } from "./programs.ts";
import { median, type Row, spread } from "./row.ts";

const FILES = 200;
const FILE_BYTES = 1_000_000;
const WORDS = 100_000;
const LIMIT = 1.5;

/** Counts the words of one file: the same command on both sides. */
const count = (input: string) => `tr -cs a-z '\\n' < ${input} | LC_ALL=C sort | uniq -c | awk '{print $2 "\\t" $1}'`;

/** Counting with a merge of all counts: the shape of a distributed reduce. */
export async function wordCount(folder: string, runs: number): Promise<Row> {
  mkdirSync(join(folder, "in"), { recursive: true });
  writeWords(join(folder, "in"));
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    const command = `${count('"$SHEAF_INPUT"')} > "$SHEAF_OUT/counts"`;
    ours.push(sheafRun(folder, `out${run}`, ["-i", "in", "-w", "2", "--merge", "sum", "--", "sh", "-c", command]));
    mkdirSync(join(folder, `plain${run}`));
    theirs.push(timed("sh", ["-c", plain(`plain${run}`)], folder));
    const [a, b] = [`out${run}/counts`, "counts"].map((name) => readFileSync(join(folder, name)));
    if (a === undefined || b === undefined || !a.equals(b)) throw new Error("the two results differ");
  }
  const ratio = median(ours) / median(theirs);
  return {
    what: `word count with merge, ${(FILES * FILE_BYTES) / 1e6} MB in ${FILES} files, 2 workers, start and stop included`,
    ours: `${spread(ours)} s`,
    against: `${spread(theirs)} s, xargs -P2 of the same command, then sort -m and sum`,
    goal: `<= ${LIMIT} x`,
    figure: `${ratio.toFixed(2)} x`,
    reached: ratio <= LIMIT,
  };
}

function plain(out: string): string {
  const each = `ls in | xargs -P2 -I{} sh -c '${count("in/{}").replaceAll("'", `'"'"'`)} > ${out}/{}'`;
  const sum = `awk -F'\\t' '$1 != key { if (NR > 1) print key "\\t" sum; key = $1; sum = 0 } { sum += $2 } END { print key "\\t" sum }'`;
  return `${each}; LC_ALL=C sort -m --batch-size=256 ${out}/* | ${sum} > counts`;
}

/** Words with Zipf's frequencies, the same on every machine. */
function writeWords(folder: string): void {
  const cumulated = new Float64Array(WORDS);
  let sum = 0;
  for (let i = 0; i < WORDS; i++) {
    sum += 1 / (i + 1);
    cumulated[i] = sum;
  }
  let seed = 42;
  const random = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
  for (let file = 0; file < FILES; file++) {
    const words: string[] = [];
    for (let bytes = 0; bytes < FILE_BYTES; ) {
      const word = name(find(cumulated, random() * sum));
      words.push(word);
      bytes += word.length + 1;
    }
    writeFileSync(join(folder, `${file}.txt`), words.join(" "));
  }
}

function find(cumulated: Float64Array, at: number): number {
  let low = 0;
  let high = cumulated.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cumulated[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The word of a rank: common ones are short, as in a language. */
function name(rank: number): string {
  let text = "";
  for (let rest = rank + 1; rest > 0; rest = Math.floor(rest / 26)) text += String.fromCharCode(97 + (rest % 26));
  return text;
}
