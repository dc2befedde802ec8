/**
 * The results of datums until they are committed, and the runs that grow from them.
 *
 * A result is added to its claim's draft as soon as nothing before it is missing, so that a cut has little left to do. When a
 * cut is not what the draft holds (the claim shrank, or a commit was refused), the run is built again from the results that
 * are kept (L4, C3).
 */
import { RunBuilder, readSegments, type SumOutput } from "@sheaf/files";
import type { api, store } from "@sheaf/proto";
import { internal } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { Claim } from "../claims/claim.ts";
import type { Cut, Interval } from "../claims/terms.ts";

/** What a datum left. */
export interface DatumResult {
  readonly row: store.DatumRow;
  readonly entries: readonly store.FileEntry[];
  /** Paths of the entries that are under `sum`. */
  readonly sumPaths: ReadonlySet<string>;
}

interface Draft extends Interval {
  readonly from: number;
  to: number;
  readonly attempt: string;
  readonly builder: RunBuilder;
}

interface Kept {
  readonly merge: api.MergeSpec | undefined;
  readonly results: Map<number, DatumResult>;
  /** The sums of results that are in no draft yet, in memory. */
  readonly fresh: Map<number, readonly SumOutput[]>;
  draft: Draft | undefined;
}

export class Drafts {
  readonly #worker: string;
  readonly #newAttempt: () => string;
  readonly #claims = new Map<Claim, Kept>();

  constructor(worker: string, newAttempt: () => string) {
    this.#worker = worker;
    this.#newAttempt = newAttempt;
  }

  /**
   * Keeps the result, which the claim has taken as finished. `sums`: its sums; those in files are used now or not at all, so the files
   * may go. Without them they are read back when it is cut. `merge`: that of the job.
   */
  add(
    claim: Claim,
    index: number,
    result: DatumResult,
    sums: readonly SumOutput[] | undefined,
    merge: api.MergeSpec | undefined,
  ): void {
    let kept = this.#claims.get(claim);
    if (kept === undefined) {
      kept = { merge, results: new Map(), fresh: new Map(), draft: undefined };
      this.#claims.set(claim, kept);
    }
    kept.results.set(index, result);
    if (sums !== undefined) kept.fresh.set(index, sums);
    this.#grow(claim, kept);
    if (sums?.some(isInFile) === true) kept.fresh.delete(index);
  }

  /** The attempt of the run that is being written for the next cut of the claim. */
  attemptOf(claim: Claim): string | undefined {
    const draft = this.#claims.get(claim)?.draft;
    return draft?.from === claim.cutFrom && draft.to === claim.ready ? draft.attempt : undefined;
  }

  /** The draft that is exactly this cut; the next result begins a new one. */
  take(claim: Claim, cut: Cut): RunBuilder | undefined {
    const kept = this.#claims.get(claim);
    if (kept === undefined) return undefined;
    const draft = kept.draft;
    if (draft?.attempt === cut.attempt) kept.draft = undefined;
    // What came after a draft was given up waits in no draft: it will be read back.
    for (const index of kept.fresh.keys()) if (index < cut.to) kept.fresh.delete(index);
    this.#grow(claim, kept);
    return draft?.attempt === cut.attempt ? draft.builder : undefined;
  }

  /** Builds the run of a cut from what is kept. All packs must be durable: sums are read back from them. */
  async rebuild(claim: Claim, cut: Cut, source: Store): Promise<RunBuilder> {
    const builder = this.#builder(claim, cut.attempt, this.#claims.get(claim)?.merge);
    for (const { row, entries, sumPaths } of this.results(claim, cut)) {
      const sums: SumOutput[] = [];
      for (const entry of entries) if (sumPaths.has(entry.path)) sums.push(await readBack(entry, source));
      builder.addDatum(row, entries, sums);
    }
    return builder;
  }

  results(claim: Claim, { from, to }: Interval): DatumResult[] {
    const kept = this.#claims.get(claim)?.results;
    return Array.from({ length: to - from }, (_, i) => {
      const result = kept?.get(from + i);
      if (result === undefined)
        throw internal("RESULT_LOST", `the result of datum ${from + i} of claim ${claim.assigned.id} is not kept`);
      return result;
    });
  }

  /** The results of the interval are committed. */
  forget(claim: Claim, { from, to }: Interval): void {
    const kept = this.#claims.get(claim);
    for (let index = from; index < to; index++) kept?.results.delete(index);
    if (kept?.results.size === 0) this.drop(claim);
  }

  /** The claim is over. */
  drop(claim: Claim): void {
    this.#claims.delete(claim);
  }

  get held(): MapIterator<Claim> {
    return this.#claims.keys();
  }

  #grow(claim: Claim, kept: Kept): void {
    if (kept.draft !== undefined && kept.draft.from !== claim.cutFrom) kept.draft = undefined;
    for (let index = kept.draft?.to ?? claim.cutFrom; index < claim.ready; index++) {
      const result = kept.results.get(index);
      const sums = kept.fresh.get(index);
      // What was in a draft that is given up has no sums at hand any more: the cut will be built again.
      if (result === undefined || sums === undefined) return;
      kept.draft ??= this.#newDraft(claim, kept, index);
      kept.draft.builder.addDatum(result.row, result.entries, sums);
      kept.draft.to = index + 1;
      kept.fresh.delete(index);
    }
  }

  #newDraft(claim: Claim, { merge }: Kept, from: number): Draft {
    const attempt = this.#newAttempt();
    return { from, to: from, attempt, builder: this.#builder(claim, attempt, merge) };
  }

  #builder(claim: Claim, attempt: string, merge: api.MergeSpec | undefined): RunBuilder {
    return new RunBuilder({ job: claim.assigned.job, attempt, worker: this.#worker }, merge);
  }
}

function isInFile({ lines }: SumOutput): boolean {
  return typeof lines === "function";
}

async function readBack(entry: store.FileEntry, source: Store): Promise<SumOutput> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readSegments(source, entry.segments)) pieces.push(piece);
  return { path: entry.path, lines: Buffer.concat(pieces) };
}
