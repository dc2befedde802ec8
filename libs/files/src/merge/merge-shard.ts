/**
 * Merges all runs of a job in one range of the output key space into one index shard.
 *
 *   files     a k-way merge of the runs' entries by path. Runs are in datum order, and equal paths come in the order of
 *             their runs, so the parts of a path come in datum order.
 *   sums      a path under `sum` is made from the runs' combined tables; its entries among the files only say who wrote it.
 *   conflicts are collected and never thrown: the merge owner decides with those of all shards.
 *
 * The shard's content depends on the datums' outputs and on the cuts, and on nothing else.
 *
 * Memory: see inputs.ts; one block per run (runs beyond RUNS_MAX are merged in two rounds); what ShardOutput holds.
 */
import { create } from "@bufbuild/protobuf";
import { type api, store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { corrupt } from "../object.ts";
import { fileEntry } from "../pack/content.ts";
import type { PackLimits } from "../pack/pack-writer.ts";
import { type SegmentReader, segmentReader } from "../pack/segment-reader.ts";
import { comparePaths } from "../path.ts";
import { Concat } from "./concat.ts";
import { ShardConflicts, twoWriters } from "./conflicts.ts";
import { type FileRecord, withoutDatum } from "./file-source.ts";
import { type MergeInputs, openInputs, type SectionPart } from "./inputs.ts";
import { mergedFiles } from "./rounds.ts";
import { ShardOutput } from "./shard-output.ts";
import { filesIn, type ShardRange, type SumPart, sumPartIn } from "./shard-range.ts";
import { compileMergeSpec, type StrategyOf } from "./strategies.ts";
import { mergeSums } from "./sum-merge.ts";

export interface MergeOptions {
  /** Ends the merge between two blocks. */
  readonly signal?: AbortSignal;
  /** Most runs that are read at a time. Default 1,000. */
  readonly runsMax?: number;
  readonly packs?: PackLimits;
}

/** Merges the range of all runs, which must be in datum order and together hold every datum. Durable when it returns. */
export async function mergeShard(
  target: Store,
  runs: readonly store.RunRef[],
  mergeSpec: api.MergeSpec | undefined,
  range: ShardRange,
  options: MergeOptions = {},
): Promise<store.MergedShard> {
  const inputs = await openInputs(target, runs, range, options.signal);
  return new ShardMerge(target, inputs, compileMergeSpec(mergeSpec), range, options).run();
}

class ShardMerge {
  readonly #store: Store;
  readonly #inputs: MergeInputs;
  readonly #strategyOf: StrategyOf;
  readonly #range: ShardRange;
  readonly #options: MergeOptions;
  readonly #output: ShardOutput;
  readonly #reader: SegmentReader;
  readonly #conflicts = new ShardConflicts();
  /** Summed paths still to come, in path order. */
  readonly #sumPaths: string[];
  /** Entries of the path that is being gathered. */
  #group: Group | undefined;

  constructor(target: Store, inputs: MergeInputs, strategyOf: StrategyOf, range: ShardRange, options: MergeOptions) {
    this.#store = target;
    this.#inputs = inputs;
    this.#strategyOf = strategyOf;
    this.#range = range;
    this.#options = options;
    this.#output = new ShardOutput(target, options.packs);
    this.#reader = segmentReader(target);
    this.#sumPaths = [...inputs.sums.keys()].reverse();
  }

  async run(): Promise<store.MergedShard> {
    const { signal, runsMax } = this.#options;
    for await (const records of mergedFiles(this.#store, this.#inputs.files, filesIn(this.#range), {
      signal,
      runsMax,
    })) {
      signal?.throwIfAborted();
      for (const record of records) {
        if (record.entry.path !== this.#group?.path) await this.#begin(record.entry.path);
        // Most paths have one writer: nothing to wait for.
        const adding = this.#group?.add(record);
        if (adding !== undefined) await adding;
      }
      await this.#output.settle();
    }
    await this.#endGroup();
    await this.#sumsBefore(undefined);
    const { index, packs } = await this.#output.finish();
    return create(store.MergedShardSchema, {
      ...(index && { index }),
      packs,
      ...this.#conflicts.finish(),
    });
  }

  async #begin(path: string): Promise<void> {
    const strategy = this.#strategyOf(path);
    if (this.#group !== undefined) await this.#endGroup();
    if (this.#sumPaths.length > 0) await this.#sumsBefore(path);
    const concat = (): Concat => new Concat(path, this.#output.pack, this.#reader);
    this.#group = new Group(path, strategy, concat);
  }

  async #endGroup(): Promise<void> {
    const group = this.#group;
    if (group === undefined) return;
    this.#group = undefined;
    this.#conflicts.enter(group.path, group.firstDatum);
    if (group.strategy === "sum") return this.#addSumOf(group.path);
    if (group.clash !== undefined) this.#conflicts.report(twoWriters(group.path, group.firstDatum, group.clash));
    if (group.concat !== undefined) return this.#output.add(group.concat.finish());
    const { entry } = group.first;
    const message = withoutDatum(group.first);
    if (message === undefined) this.#output.add(create(store.FileEntrySchema, { ...entry, datum: 0n }));
    else this.#output.addPacked(entry.path, entry.size, message);
  }

  /** Summed paths that come before `path` and have no entry here: one that began in an earlier shard. */
  async #sumsBefore(path: string | undefined): Promise<void> {
    for (let next = this.#sumPaths.at(-1); next !== undefined; next = this.#sumPaths.at(-1)) {
      if (path !== undefined && comparePaths(next, path) >= 0) return;
      await this.#addRestOfSum(next);
    }
  }

  async #addRestOfSum(path: string): Promise<void> {
    const part = this.#takeSum(path);
    if (part.begins) throw corrupt("of a run", `it has a table of ${path}, but no entry of a datum that wrote it`);
    const entry = await this.#sum(path, part);
    if (entry.size === 0n) return;
    this.#conflicts.enterRest(path);
    this.#output.add(entry);
  }

  async #addSumOf(path: string): Promise<void> {
    if (this.#sumPaths.at(-1) !== path) throw corrupt("of a run", `it has no table of ${path}, which is under sum`);
    this.#output.add(await this.#sum(path, this.#takeSum(path)));
  }

  #takeSum(path: string): SumPart {
    this.#sumPaths.pop();
    return sumPartIn(this.#range, path) as SumPart;
  }

  async #sum(path: string, part: SumPart): Promise<store.FileEntry> {
    const tables = this.#inputs.sums.get(path) as readonly SectionPart[];
    const file = this.#output.pack.beginFile();
    for await (const { lines } of mergeSums(tables, part.keys, this.#options.signal)) {
      file.write(lines);
      await this.#output.pack.ready();
    }
    return fileEntry(path, file.end());
  }
}

/** The entries of one path, in datum order. */
class Group {
  readonly path: string;
  readonly strategy: "concat" | "exclusive" | "sum";
  readonly #begin: () => Concat;
  #first: FileRecord | undefined;
  /** Set when there is more than one part. */
  concat: Concat | undefined;
  /** Under `exclusive`: the second writer. */
  clash: bigint | undefined;

  constructor(path: string, strategy: Group["strategy"], begin: () => Concat) {
    this.path = path;
    this.strategy = strategy;
    this.#begin = begin;
  }

  get first(): FileRecord {
    return this.#first as FileRecord;
  }

  get firstDatum(): bigint {
    return this.first.entry.datum;
  }

  add(record: FileRecord): Promise<void> | undefined {
    if (this.#first === undefined) {
      this.#first = record;
      return undefined;
    }
    if (this.strategy === "sum") return undefined;
    if (this.strategy === "exclusive") {
      this.clash ??= record.entry.datum;
      return undefined;
    }
    return this.#join(record.entry);
  }

  async #join(entry: store.FileEntry): Promise<void> {
    if (this.concat === undefined) {
      this.concat = this.#begin();
      await this.concat.add(this.first.entry);
    }
    await this.concat.add(entry);
  }
}
