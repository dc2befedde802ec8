// Builds jobs for tests: an input commit, the work on it, and what came of it.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  applyChanges,
  comparePaths,
  fileEntry,
  openRun,
  PackWriter,
  putMessage,
  readLog,
  readRunFiles,
  readRunRows,
  readSegments,
} from "@sheaf/files";
import { type api, store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import type { TakenCommit } from "./fake-owner.ts";

export type SpecInit = Exclude<MessageInitShape<typeof store.WorkInputSchema>["spec"], undefined>;

export const JOB = "01jtest0000000000000000000";

/** A spec with one input, `in`, and one datum per file. */
export function specOf(transform: Partial<api.Transform>, more: Partial<api.PipelineSpec> = {}): SpecInit {
  return {
    pipeline: { name: "edges" },
    input: { pfs: { name: "in", repo: "in", glob: "/*" } },
    transform: { cmd: [], ...transform } as api.Transform,
    ...more,
  } as SpecInit;
}

/** Puts the files into a commit. */
export async function commitOf(
  target: Store,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<store.ObjectRef> {
  const packs = new PackWriter(target);
  const puts = Object.keys(files)
    .sort(comparePaths)
    .map((path) =>
      fileEntry(path, packs.add(Buffer.from(files[path] as string)), { executable: path.endsWith(".sh") }),
    );
  await packs.close();
  return (await applyChanges(target, undefined, { puts })).ref;
}

export async function workOf(
  target: Store,
  spec: SpecInit,
  more: Omit<MessageInitShape<typeof store.WorkInputSchema>, "$typeName" | "spec">,
): Promise<store.ObjectRef> {
  const work = create(store.WorkInputSchema, {
    version: 1,
    job: JOB,
    pipeline: "edges",
    pipelineVersion: 1n,
    spec,
    outputCommit: "01joutput00000000000000000",
    ...more,
  });
  return putMessage(target, "work", store.WorkInputSchema, work);
}

export function inputOf(manifest: store.ObjectRef | undefined) {
  const input = { name: "in", repo: "in", branch: "master", commit: "01jinput000000000000000000" };
  return manifest === undefined ? [input] : [{ ...input, manifest }];
}

/** What a datum left: its row, its log as text, and its files. */
export interface DatumOutcome {
  readonly row: store.DatumRow;
  readonly log: readonly store.LogLine[];
  readonly files: ReadonlyMap<string, string>;
}

/** All datums of the runs, in order. */
export async function outcomesOf(source: Store, runs: readonly TakenCommit[]): Promise<DatumOutcome[]> {
  const outcomes: DatumOutcome[] = [];
  for (const { result } of runs.toSorted((a, b) => a.from - b.from)) {
    const run = await openRun(source, result);
    const files = new Map<bigint, Map<string, string>>();
    for await (const entry of readRunFiles(run)) {
      const mine = files.get(entry.datum) ?? new Map<string, string>();
      files.set(entry.datum, mine.set(entry.path, await textOf(source, entry)));
    }
    for await (const row of readRunRows(run)) {
      outcomes.push({ row, log: [...(await readLog(source, row.log))], files: files.get(row.index) ?? new Map() });
    }
  }
  return outcomes;
}

export async function textOf(source: Store, entry: store.FileEntry): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readSegments(source, entry.segments)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
