/** For tests: a job in plain data, its runs in a store, and what a single thread would make of it. */
import { create } from "@bufbuild/protobuf";
import { api, store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { type CommitReader, openCommit } from "../commit/commit-reader.ts";
import { compileMergeSpec } from "../merge/strategies.ts";
import { fileEntry } from "../pack/content.ts";
import { type PackLimits, PackWriter } from "../pack/pack-writer.ts";
import { readSegments } from "../pack/segment-reader.ts";
import { RunBuilder } from "../run/run-builder.ts";

/** What one datum wrote: path to content. */
export type DatumOutput = Readonly<Record<string, string>>;

export interface RunLimits extends PackLimits {
  readonly sumBytes?: number;
}

/** Writes the datums as runs: a new one begins at every index in `starts` (0 is implied). */
export async function writeRuns(
  target: Store,
  datums: readonly DatumOutput[],
  spec: api.MergeSpec,
  starts: readonly number[] = [],
  limits: RunLimits = {},
): Promise<store.RunRef[]> {
  const bounds = [...new Set([0, ...starts.filter((at) => at > 0 && at < datums.length), datums.length])].sort(
    (a, b) => a - b,
  );
  const runs: store.RunRef[] = [];
  for (const [i, to] of bounds.slice(1).entries()) {
    const from = bounds[i] as number;
    if (to > from) runs.push(await writeRun(target, datums.slice(from, to), from, spec, limits));
  }
  return runs;
}

async function writeRun(
  target: Store,
  datums: readonly DatumOutput[],
  from: number,
  spec: api.MergeSpec,
  limits: RunLimits,
): Promise<store.RunRef> {
  const strategyOf = compileMergeSpec(spec);
  const pack = new PackWriter(target, limits);
  const run = new RunBuilder({ job: "job", attempt: "attempt", worker: "worker" }, spec, limits);
  for (const [i, output] of datums.entries()) {
    const files = Object.entries(output).map(([path, text]) => ({
      path,
      bytes: Buffer.from(text),
    }));
    const entries = files.map(({ path, bytes }) => fileEntry(path, pack.add(bytes)));
    const sums = files
      .filter(({ path }) => strategyOf(path) === "sum")
      .map(({ path, bytes }) => ({ path, lines: bytes }));
    const row = create(store.DatumRowSchema, {
      index: BigInt(from + i),
      state: api.DatumState.SUCCESS,
      tries: 1,
    });
    run.addDatum(row, entries, sums);
    await pack.ready();
  }
  await pack.close();
  const { ref } = await run.finish(target);
  const to = BigInt(from + datums.length);
  return create(store.RunRefSchema, { from: BigInt(from), to, table: ref });
}

/** All files of a commit: path to content, in the order of the index. */
export async function contentsOf(source: Store, manifest: store.ObjectRef): Promise<Map<string, string>> {
  const commit = await openCommit(source, manifest);
  const files = new Map<string, string>();
  for await (const entry of commit.files()) files.set(entry.path, (await bytesOf(source, entry)).toString());
  return files;
}

export async function bytesOf(source: Store, entry: store.FileEntry): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readSegments(source, entry.segments)) pieces.push(piece);
  return Buffer.concat(pieces);
}

export async function listAll(commit: CommitReader): Promise<store.FileEntry[]> {
  const entries: store.FileEntry[] = [];
  for await (const entry of commit.files()) entries.push(entry);
  return entries;
}

/** What a merge must come to: the files, or those that cannot stand together. */
export interface Expected {
  readonly files: Map<string, string>;
  /** `kind path first second`, sorted by path. */
  readonly conflicts: string[];
}

/** The merge as a child would write it. */
export function naiveMerge(datums: readonly DatumOutput[], spec: api.MergeSpec): Expected {
  const strategyOf = compileMergeSpec(spec);
  const writers = new Map<string, number[]>();
  datums.forEach((output, index) => {
    for (const path of Object.keys(output)) writers.set(path, [...(writers.get(path) ?? []), index]);
  });
  const paths = [...writers.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const files = new Map<string, string>();
  const conflicts: string[] = [];
  for (const path of paths) {
    const by = writers.get(path) as number[];
    const parts = by.map((index) => datums[index]?.[path] as string);
    files.set(path, strategyOf(path) === "sum" ? naiveSum(parts) : parts.join(""));
    if (strategyOf(path) === "exclusive" && by.length > 1) conflicts.push(`${path} TWO_WRITERS ${by[0]} ${by[1]}`);
    const under = paths.find((other) => other.startsWith(`${path}/`));
    if (under === undefined) continue;
    const pair = [by[0] as number, (writers.get(under) as number[])[0] as number].sort((a, b) => a - b);
    conflicts.push(`${path} FILE_AND_FOLDER ${pair[0]} ${pair[1]}`);
  }
  return { files, conflicts: conflicts.sort() };
}

/** Every value in units of 10^-30, as whole numbers. */
function naiveSum(parts: readonly string[]): string {
  const sums = new Map<string, bigint>();
  for (const line of parts.join("").split("\n")) {
    if (line === "") continue;
    const [key, number] = line.split("\t") as [string, string];
    const [, sign, whole, decimals] = /^([+-]?)(\d*)\.?(\d*)$/.exec(number) as unknown as [
      string,
      string,
      string,
      string,
    ];
    const units = BigInt(`${whole}${decimals.padEnd(30, "0")}`);
    sums.set(key, (sums.get(key) ?? 0n) + (sign === "-" ? -units : units));
  }
  const keys = [...sums.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return keys.map((key) => `${key}\t${naiveText(sums.get(key) as bigint)}\n`).join("");
}

function naiveText(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(31, "0");
  const decimals = digits.slice(-30).replace(/0+$/, "");
  return `${units < 0n ? "-" : ""}${digits.slice(0, -30)}${decimals === "" ? "" : `.${decimals}`}`;
}

/** Conflicts as `naiveMerge` spells them. */
export function conflictLines(conflicts: readonly store.PathConflict[]): string[] {
  const kinds = Object.fromEntries(Object.entries(store.PathConflictKind).map(([name, number]) => [number, name]));
  return conflicts.map((c) => `${c.path} ${kinds[c.kind]} ${c.firstDatum} ${c.secondDatum}`).sort();
}
