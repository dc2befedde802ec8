/**
 * What a shard reads of the runs. Of every footer only the blocks of the shard's range are kept: memory grows with the
 * shard, some 300 bytes per block of 4 to 64 KiB, and not with the job.
 */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { comparePaths } from "../path.ts";
import { blocksIn, type KeyRange, openTable, type Table } from "../table/table-reader.ts";
import { filesIn, type ShardRange, sumPartIn } from "./shard-range.ts";

/** The blocks of a section that a shard reads, and where they are. */
export interface SectionPart {
  readonly table: Table<unknown>;
  readonly section: store.Section;
}

export interface MergeInputs {
  /** In datum order. */
  readonly files: readonly SectionPart[];
  /** Combined tables by path, in path order. */
  readonly sums: ReadonlyMap<string, readonly SectionPart[]>;
}

/** Small runs are kept in memory as they are, while this lasts. */
const KEPT_BYTES = 32 * 1024 * 1024;
const KEPT_RUN_BYTES = 1024 * 1024;

export async function openInputs(
  source: Store,
  runs: readonly store.RunRef[],
  range: ShardRange,
  signal?: AbortSignal,
): Promise<MergeInputs> {
  const files: SectionPart[] = [];
  const sums = new Map<string, SectionPart[]>();
  let kept = 0;
  for (const run of runs) {
    signal?.throwIfAborted();
    const table = await openTable(
      source,
      run.table ?? noTable(run),
      store.RunFooterSchema,
      KEPT_BYTES - kept > KEPT_RUN_BYTES ? KEPT_RUN_BYTES : 0,
    );
    const opened: Table<undefined> = { ...table, footer: undefined };
    if (addParts(opened, table.footer, range, files, sums)) kept += table.bytes?.length ?? 0;
  }
  const paths = [...sums.keys()].sort(comparePaths);
  return { files, sums: new Map(paths.map((path) => [path, sums.get(path) as SectionPart[]])) };
}

/** False when the run has nothing in the range. */
function addParts(
  table: Table<undefined>,
  run: store.RunFooter,
  range: ShardRange,
  files: SectionPart[],
  sums: Map<string, SectionPart[]>,
): boolean {
  const part = partOf(table, run.files, filesIn(range));
  if (part !== undefined) files.push(part);
  let found = part !== undefined;
  for (const { path, lines } of run.combined) {
    const sum = sumPartIn(range, path);
    if (sum === undefined) continue;
    const tables = sums.get(path) ?? [];
    sums.set(path, tables);
    const linesPart = partOf(table, lines, sum.keys);
    if (linesPart !== undefined) tables.push(linesPart);
    found = true;
  }
  return found;
}

function partOf(table: Table<undefined>, section: store.Section | undefined, range: KeyRange): SectionPart | undefined {
  const blocks = blocksIn(section, range);
  if (section === undefined || blocks.length === 0) return undefined;
  return {
    table,
    section: create(store.SectionSchema, { blocks: [...blocks], lastKey: section.lastKey }),
  };
}

function noTable(run: store.RunRef): never {
  throw new TypeError(`the run of datums [${run.from}, ${run.to}) names no table`);
}
