import { api } from "@sheaf/proto";

/** Files by absolute path. */
export type Tree = ReadonlyMap<string, string | Uint8Array>;

export function isTerminal(state: api.JobState): boolean {
  const { SUCCEEDED, FAILED, STOPPED, INCONSISTENT } = api.JobState;
  return state === SUCCEEDED || state === FAILED || state === STOPPED || state === INCONSISTENT;
}

/** Text files of words from a small vocabulary, the same for the same numbers. */
export function wordFiles(count: number, wordsEach: number, vocabulary = 500): Map<string, string> {
  const files = new Map<string, string>();
  let seed = 1;
  for (let i = 0; i < count; i++) {
    const words: string[] = [];
    for (let w = 0; w < wordsEach; w++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      words.push(`word${Math.floor((seed >>> 8) % vocabulary)}`);
    }
    files.set(`/docs/${String(i).padStart(5, "0")}.txt`, `${words.join(" ")}\n`);
  }
  return files;
}

/** What a word count over these files gives: "word TAB n", sorted by bytes. */
export function wordCounts(files: ReadonlyMap<string, string>): string {
  const counts = new Map<string, number>();
  for (const text of files.values()) {
    for (const word of text.split(/\s+/)) if (word !== "") counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const words = [...counts.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return words.map((word) => `${word}\t${counts.get(word)}\n`).join("");
}

/** Counts the words of a datum, as a pipeline's script. */
export const COUNT_WORDS = `tr -s ' ' '\\n' < "$SHEAF_INPUT" | LC_ALL=C sort | uniq -c | awk '{print $2 "\\t" $1}' > "$SHEAF_OUT/counts"`;
