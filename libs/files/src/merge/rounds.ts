/**
 * The entries of all runs in a range, merged by path. A cursor holds a block of its run, so at most `runsMax` runs are read
 * at a time: of more runs, neighbours are merged into tables first (whole entries, in the same order), and then the tables.
 * Those tables are objects like any; nothing refers to them afterwards, so they are swept.
 */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { utf8 } from "../bytes.ts";
import { comparePaths } from "../path.ts";
import { type KeyRange, openTable } from "../table/table-reader.ts";
import { TableWriter } from "../table/table-writer.ts";
import { type FileRecord, fileSource } from "./file-source.ts";
import type { SectionPart } from "./inputs.ts";
import { mergeSorted } from "./kway.ts";

const RUNS_MAX = 1_000;
/** For reading ahead, shared by all cursors. */
const READ_BYTES = 64 * 1024 * 1024;
const READ_BYTES_MAX = 1024 * 1024;

export interface RoundOptions {
  readonly signal?: AbortSignal | undefined;
  readonly runsMax?: number | undefined;
}

/** `parts` in datum order. */
export async function* mergedFiles(
  target: Store,
  parts: readonly SectionPart[],
  range: KeyRange,
  options: RoundOptions = {},
): AsyncGenerator<readonly FileRecord[], void, void> {
  const { runsMax = RUNS_MAX, signal } = options;
  let round = parts;
  while (round.length > runsMax) {
    const next: SectionPart[] = [];
    for (let i = 0; i < round.length; i += runsMax) {
      next.push(await mergeGroup(target, round.slice(i, i + runsMax), range, signal));
    }
    round = next;
  }
  yield* mergeOnce(round, range);
}

function mergeOnce(parts: readonly SectionPart[], range: KeyRange): AsyncGenerator<readonly FileRecord[], void, void> {
  const readBytes = Math.min(READ_BYTES_MAX, Math.floor(READ_BYTES / Math.max(1, parts.length)));
  const sources = parts.map((part) => fileSource(part, range, readBytes));
  return mergeSorted(sources, (a, b) => comparePaths(a.entry.path, b.entry.path));
}

async function mergeGroup(
  target: Store,
  parts: readonly SectionPart[],
  range: KeyRange,
  signal: AbortSignal | undefined,
): Promise<SectionPart> {
  const writer = new TableWriter();
  const section = writer.section();
  for await (const records of mergeOnce(parts, range)) {
    signal?.throwIfAborted();
    for (const { entry, message } of records) section.addPacked(utf8(entry.path), message);
  }
  const footer = create(store.IndexFooterSchema, { version: 1, files: section.finish() });
  const ref = await writer.put(target, "indexes", store.IndexFooterSchema, footer);
  const table = await openTable(target, ref, store.IndexFooterSchema, 0);
  return { table, section: table.footer.files ?? create(store.SectionSchema) };
}
