/**
 * Gathers what the datums of an interval left behind and writes it as one run.
 *
 * Datums may come in any order; together they must be a contiguous interval when the run is finished. The bytes of their
 * files go into packs before (PackWriter), and the packs must be closed before the run is finished, because only then do
 * the segments name them.
 *
 * Sums. What a datum wrote at a path under `sum` is kept like any other file (a later job may take the datum over), and
 * its lines are added to one table per path. All tables together stay below SUM_BYTES: the largest is then written out as
 * one of the run's combined tables and begun anew, so a path can have several.
 *
 * Memory: the entries (some 700 bytes each: look at `files` to cut in time), SUM_BYTES, and what is written out, packed.
 */
import { create } from "@bufbuild/protobuf";
import { api, store } from "@sheaf/proto";
import { internal } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { compareBytes, hex } from "../bytes.ts";
import { compileMergeSpec, type StrategyOf } from "../merge/strategies.ts";
import { comparePaths } from "../path.ts";
import type { SumSource } from "../sum/lines.ts";
import { wholeLines } from "../sum/lines.ts";
import { SumTable } from "../sum/sum-table.ts";
import { datumRecords, fileRecords, type RecordKind } from "../table/records.ts";
import { TableWriter } from "../table/table-writer.ts";
import { blockSizes, LARGE_SECTION_BYTES } from "./block-sizes.ts";

const SUM_BYTES = 64 * 1024 * 1024;

export interface RunIdentity {
  readonly job: string;
  /** Random id of the attempt. */
  readonly attempt: string;
  readonly worker: string;
}

/** What a datum wrote at a path under `sum`. Must have passed `checkSum`. */
export interface SumOutput {
  readonly path: string;
  readonly lines: SumSource;
}

export interface FinishedRun {
  readonly ref: store.TableRef;
  readonly footer: store.RunFooter;
}

export class RunBuilder {
  readonly #identity: RunIdentity;
  readonly #strategyOf: StrategyOf;
  readonly #sumBytes: number;
  readonly #table = new TableWriter();
  readonly #rows: store.DatumRow[] = [];
  readonly #entries: store.FileEntry[] = [];
  readonly #sums = new Map<string, SumTable>();
  readonly #combined: store.CombinedTable[] = [];
  #sumMemory = 0;
  #outputBytes = 0n;

  /** The spec says which paths are under `sum`: the builder insists that they, and no others, come with their lines. */
  constructor(
    identity: RunIdentity,
    mergeSpec: api.MergeSpec | undefined,
    limits: { readonly sumBytes?: number } = {},
  ) {
    this.#identity = identity;
    this.#strategyOf = compileMergeSpec(mergeSpec);
    this.#sumBytes = limits.sumBytes ?? SUM_BYTES;
  }

  /** Datums so far. */
  get datums(): number {
    return this.#rows.length;
  }

  /** File entries so far. */
  get files(): number {
    return this.#entries.length;
  }

  /** Bytes of all files so far. */
  get outputBytes(): bigint {
    return this.#outputBytes;
  }

  /** Adds a datum with all that it wrote; a failed one with nothing. `sums` are those of the entries that are under sum. */
  addDatum(row: store.DatumRow, entries: readonly store.FileEntry[] = [], sums: readonly SumOutput[] = []): void {
    this.#checkSums(entries, sums);
    this.#rows.push(row);
    for (const entry of entries) {
      entry.datum = row.index;
      this.#entries.push(entry);
      this.#outputBytes += entry.size;
    }
    for (const sum of sums) this.#addSum(sum);
  }

  /** Writes the run; durable when it returns. The builder is spent. */
  async finish(target: Store): Promise<FinishedRun> {
    const { from, to } = this.#interval();
    for (const path of this.#sums.keys()) this.#freeze(path);
    this.#combined.sort((a, b) => comparePaths(a.path, b.path));
    this.#entries.sort((a, b) => comparePaths(a.path, b.path) || Number(a.datum - b.datum));
    const footer = create(store.RunFooterSchema, {
      version: 1,
      header: { ...this.#identity, kind: store.WorkKind.PROCESS, from, to },
      files: this.#section(fileRecords, this.#entries),
      datums: this.#section(datumRecords, this.#rows),
      combined: this.#combined,
      packs: this.#packs(),
    });
    return { ref: await this.#table.put(target, "runs", store.RunFooterSchema, footer), footer };
  }

  #checkSums(entries: readonly store.FileEntry[], sums: readonly SumOutput[]): void {
    const given = new Set(sums.map(({ path }) => path));
    let summed = 0;
    for (const { path } of entries) {
      const isSum = this.#strategyOf(path) === "sum";
      if (isSum !== given.has(path))
        throw internal(
          "SUM_LINES_MISSING",
          `${path} is ${isSum ? "" : "not "}under sum, its lines are ${isSum ? "not " : ""}given`,
        );
      if (isSum) summed++;
    }
    if (summed !== sums.length) throw internal("SUM_LINES_MISSING", "lines are given for a path that has no entry");
  }

  #addSum({ path, lines }: SumOutput): void {
    // Also without a line: the table says that a file was written there.
    this.#sumOf(path);
    for (const block of wholeLines(lines)) {
      if (typeof block === "string") throw internal("SUM_LINE", `a line of ${path} was not checked: ${block}`);
      const table = this.#sumOf(path);
      this.#sumMemory -= table.memory;
      table.add(block);
      this.#sumMemory += table.memory;
      if (this.#sumMemory > this.#sumBytes) this.#freezeLargest();
    }
  }

  #sumOf(path: string): SumTable {
    let table = this.#sums.get(path);
    if (table === undefined) {
      table = new SumTable();
      this.#sums.set(path, table);
      this.#sumMemory += table.memory;
    }
    return table;
  }

  #freezeLargest(): void {
    let largest = "";
    let memory = -1;
    for (const [path, table] of this.#sums) {
      if (table.memory <= memory) continue;
      largest = path;
      memory = table.memory;
    }
    this.#freeze(largest);
  }

  /** Writes the path's table out, also an empty one. */
  #freeze(path: string): void {
    const table = this.#sums.get(path);
    if (table === undefined) return;
    this.#sums.delete(path);
    this.#sumMemory -= table.memory;
    const section = this.#table.section();
    const strategy = api.MergeStrategy.SUM;
    const sizes = blockSizes(table.bytes, this.#rows[0]?.index ?? 0n);
    for (const { firstKey, lastKey, lines, count } of table.chunks(sizes.blockBytes, sizes.firstBlockBytes)) {
      section.addLines(firstKey, lastKey, lines, count);
    }
    this.#combined.push(create(store.CombinedTableSchema, { path, strategy, lines: section.finish() }));
  }

  #section<R>(kind: RecordKind<R>, records: readonly R[]): store.Section {
    // Of a large section no more than it takes to see that it is one.
    const messages: Uint8Array[] = [];
    let bytes = 0;
    for (let i = 0; i < records.length && bytes < LARGE_SECTION_BYTES; i++) {
      const message = kind.encode(records[i] as R);
      messages.push(message);
      bytes += message.length;
    }
    const sizes = blockSizes(bytes, this.#rows[0]?.index ?? 0n);
    const section = this.#table.section(sizes.blockBytes, sizes.firstBlockBytes);
    records.forEach((record, i) => section.addPacked(kind.keyOf(record), messages[i] ?? kind.encode(record)));
    return section.finish();
  }

  /** The interval of the rows, which it sorts. */
  #interval(): { readonly from: bigint; readonly to: bigint } {
    this.#rows.sort((a, b) => Number(a.index - b.index));
    const from = this.#rows[0]?.index;
    if (from === undefined) throw internal("RUN_EMPTY", "a run must hold a datum");
    this.#rows.forEach((row, i) => {
      if (row.index !== from + BigInt(i))
        throw internal(
          "RUN_NOT_CONTIGUOUS",
          `a run from datum ${from} has no datum ${from + BigInt(i)}, or has it twice`,
        );
    });
    return { from, to: from + BigInt(this.#rows.length) };
  }

  #packs(): Uint8Array[] {
    const packs = new Map<string, Uint8Array>();
    const add = (segments: readonly store.Segment[]): void => {
      for (const { pack } of segments) {
        if (pack.length === 0) throw internal("PACK_NOT_CLOSED", "a run names a pack that is not closed yet");
        packs.set(hex(pack), pack);
      }
    };
    for (const entry of this.#entries) add(entry.segments);
    for (const row of this.#rows) add(row.log?.segments ?? []);
    return [...packs.values()].sort(compareBytes);
  }
}
