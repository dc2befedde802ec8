/**
 * What earlier jobs have made of the datums that are unchanged: their files, which stay where they are in their packs, and
 * their logs.
 *
 * The files of a run are sorted by path, not by datum, so a run is read as a whole and its files are put to their datums: once, for
 * as many datums from the wanted one on as fit. Datums are asked for in about the order in which they stand there.
 *
 * A result counts only when its row names the id that is asked for. When a run, or a pack that it names, is gone or damaged, nothing
 * of it is used from then on, which is said once: its datums are run.
 *
 * Memory: WINDOWS times ROWS rows and FILES files (together some 60 MB; a datum with more files is read alone), and the
 * footers of RUNS runs.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  getMessage,
  openRun,
  packKey,
  type Run,
  readRunFiles,
  readRunRows,
  type SegmentReader,
  type SumOutput,
} from "@sheaf/files";
import { api, store } from "@sheaf/proto";
import { dataLoss, failsForGood, type Logger, messageOf } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { ProcessJob } from "./job.ts";

const WINDOWS = 2;
const ROWS = 10_000;
const FILES = 20_000;
const LISTS = 4;
const RUNS = 16;
/** Packs that are looked for at a time. */
const HEADS = 16;

/** The result of a datum that an earlier job has done. */
export interface Skipped {
  readonly log: store.LogRef | undefined;
  readonly entries: readonly store.FileEntry[];
  readonly sums: readonly SumOutput[];
}

interface Result {
  readonly row: store.DatumRow;
  readonly entries: store.FileEntry[];
}

export interface WindowLimits {
  /** Datums. Default 10,000. */
  readonly rows: number;
  /** Their files. Default 20,000. */
  readonly files: number;
}

/** Some of a run's datums, by index. */
type Window = ReadonlyMap<bigint, Result>;

export class EarlierResults {
  readonly #store: Store;
  readonly #reader: SegmentReader;
  readonly #log: Logger;
  readonly #limits: WindowLimits;
  /** By key of the run list. */
  readonly #lists = new Map<string, readonly store.RunRef[]>();
  /** By key of the run. */
  readonly #runs = new Map<string, Run>();
  readonly #windows = new Map<string, Window>();
  readonly #unusable = new Set<string>();

  constructor(source: Store, reader: SegmentReader, log: Logger, limits: WindowLimits = { rows: ROWS, files: FILES }) {
    this.#store = source;
    this.#reader = reader;
    this.#log = log;
    this.#limits = limits;
  }

  /** Undefined: there is none, run the datum. Throws when the store cannot be reached. One call at a time. */
  async find(job: ProcessJob, datum: store.Datum): Promise<Skipped | undefined> {
    const { earlier } = datum;
    const runs = earlier === undefined ? undefined : job.work.earlier[earlier.job]?.runs;
    if (earlier === undefined || runs === undefined) return undefined;
    return this.#orNothing(runs.key, async () => {
      const list = await kept(this.#lists, LISTS, runs.key, () => readRunList(this.#store, runs));
      const table = runOf(list, earlier.index)?.table;
      return table && this.#orNothing(table.object?.key ?? "", () => this.#find(job, datum, table, earlier.index));
    });
  }

  async #find(job: ProcessJob, { id }: store.Datum, table: store.TableRef, index: bigint) {
    const result = await this.#result(table, index);
    if (result === undefined || result.row.id !== id || !isDone(result.row)) return undefined;
    // The run that they go into writes its own datum into them.
    const entries = result.entries.map((entry) => ({ ...entry }));
    return { log: result.row.log, entries, sums: await this.#sumsOf(job, entries) };
  }

  async #result(table: store.TableRef, index: bigint): Promise<Result | undefined> {
    const key = table.object?.key ?? "";
    const here = this.#windows.get(key)?.get(index);
    if (here !== undefined) return here;
    const run = await kept(this.#runs, RUNS, key, () => openWhole(this.#store, table));
    this.#windows.delete(key);
    const window = await kept(this.#windows, WINDOWS, key, () => readWindow(run, index, this.#limits));
    return window.get(index);
  }

  /** The lines of what is under `sum`: a run has a table of them beside the files. */
  async #sumsOf({ isSum }: ProcessJob, entries: readonly store.FileEntry[]): Promise<SumOutput[]> {
    const sums: SumOutput[] = [];
    for (const { path, segments } of entries) {
      if (!isSum(path)) continue;
      const pieces: Uint8Array[] = [];
      for await (const piece of this.#reader.read(segments)) pieces.push(piece);
      sums.push({ path, lines: pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces) });
    }
    return sums;
  }

  async #orNothing<T>(key: string, read: () => Promise<T>): Promise<T | undefined> {
    if (this.#unusable.has(key)) return undefined;
    try {
      return await read();
    } catch (error) {
      if (!failsForGood(error)) throw error;
      this.#unusable.add(key);
      this.#log.warn(
        { object: key },
        `results of an earlier job cannot be taken over, their datums are run: ${messageOf(error)}`,
      );
      return undefined;
    }
  }
}

/** The row of a datum that is not run. `ms`: what it took all the same. */
export function skippedRow(index: number, datum: store.Datum, { log }: Skipped, ms: number): store.DatumRow {
  const row: MessageInitShape<typeof store.DatumRowSchema> = {
    index: BigInt(index),
    id: datum.id,
    state: api.DatumState.SKIPPED,
    stats: { downloadTime: { seconds: BigInt(Math.floor(ms / 1_000)), nanos: Math.floor((ms % 1_000) * 1e6) } },
    inputs: datum.inputs.map(({ path }) => path),
  };
  return create(store.DatumRowSchema, log === undefined ? row : { ...row, log });
}

const DONE: ReadonlySet<api.DatumState> = new Set([
  api.DatumState.SUCCESS,
  api.DatumState.SKIPPED,
  api.DatumState.RECOVERED,
]);

/** Whether a later job takes it over. What failed may do better now; what err_cmd saved is settled, without output. */
export function isDone({ state }: store.DatumRow): boolean {
  return DONE.has(state);
}

async function readRunList(source: Store, ref: store.ObjectRef): Promise<readonly store.RunRef[]> {
  return (await getMessage(source, store.RunListSchema, ref)).runs;
}

/** The run that holds the datum. */
function runOf(runs: readonly store.RunRef[], index: bigint): store.RunRef | undefined {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((runs[middle] as store.RunRef).to <= index) low = middle + 1;
    else high = middle;
  }
  const run = runs[low];
  return run !== undefined && run.from <= index ? run : undefined;
}

/** Opens a run all of whose packs are there. */
async function openWhole(source: Store, table: store.TableRef): Promise<Run> {
  const run = await openRun(source, table);
  const { packs } = run.footer;
  for (let at = 0; at < packs.length; at += HEADS) {
    await Promise.all(packs.slice(at, at + HEADS).map((pack) => mustBeThere(source, packKey(pack))));
  }
  return run;
}

async function mustBeThere(source: Store, key: string): Promise<void> {
  if ((await source.head(key)) === null) throw dataLoss("OBJECT_MISSING", `the object ${key} does not exist`);
}

/** The results of the datums from `from` on, as many as fit. */
async function readWindow(run: Run, from: bigint, limits: WindowLimits): Promise<Window> {
  const window = new Map<bigint, Result>();
  let last = from - 1n;
  const isWhole = from === run.footer.header?.from;
  for await (const row of readRunRows(run, isWhole ? {} : { from })) {
    window.set(row.index, { row, entries: [] });
    last = row.index;
    if (window.size === limits.rows) break;
  }
  let files = 0;
  for await (const entry of readRunFiles(run)) {
    const result = window.get(entry.datum);
    if (result === undefined) continue;
    result.entries.push(entry);
    for (files++; files > limits.files && window.size > 1; last--) {
      files -= window.get(last)?.entries.length ?? 0;
      window.delete(last);
    }
  }
  return window;
}

/** The value of the key; at most `limit` are kept, those that were used last. */
async function kept<V>(values: Map<string, V>, limit: number, key: string, read: () => Promise<V>): Promise<V> {
  const value = values.get(key) ?? (await read());
  values.delete(key);
  values.set(key, value);
  for (const oldest of values.keys()) {
    if (values.size <= limit) break;
    values.delete(oldest);
  }
  return value;
}
