// Plan work: the input commit's files, as the glob cuts them into datums, in order, each with the place of the result that an
// earlier job has of it. Memory stays bounded for any number of datums: the index is streamed, the plan is written in chunks,
// and of earlier datums only some bytes of their ids are held (earlier-index.ts).

import { create } from "@bufbuild/protobuf";
import { compileGlob, datumId, findMatches, getMessage, PlanWriter, readCommit, workId } from "@sheaf/files";
import { dispatch, store } from "@sheaf/proto";
import { type Clock, dataLoss, failsForGood, type Logger, unimplemented } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { Claim } from "../claims/claim.ts";
import type { Cut } from "../claims/terms.ts";
import { quarantineOf } from "../datum/outcome.ts";
import { medianMs } from "../engine/median.ts";
import type { Built } from "../engine/messages.ts";
import type { Solo } from "../engine/solo.ts";
import { readEarlier } from "./read-earlier.ts";

/** Of a message in a commit. */
const FAILURE_CHARS_MAX = 1_000;

export class PlanWork implements Solo {
  readonly #store: Store;
  readonly #worker: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** All datums are in, after so many milliseconds; only the manifest is missing. */
  readonly #written = new WeakMap<Claim, { readonly writer: PlanWriter; readonly ms: number }>();
  /** Why a plan can never be made. */
  readonly #failed = new WeakMap<Claim, string>();
  #isBusy = false;

  constructor(source: Store, worker: string, clock: Clock, log: Logger) {
    this.#store = source;
    this.#worker = worker;
    this.#clock = clock;
    this.#log = log;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  async work(claim: Claim): Promise<void> {
    const index = claim.prepare();
    const began = this.#clock.now();
    if (index === undefined || !claim.start(index, began)) return;
    this.#isBusy = true;
    const { prior, input, isRace } = claim.assigned;
    try {
      const before = prior.get(index);
      if (before?.isQuarantined) throw dataLoss("QUARANTINED", quarantineOf(before.losses).message);
      const work = await getMessage(this.#store, store.WorkInputSchema, input);
      const writer = new PlanWriter(this.#store);
      const done = await readEarlier(this.#store, work.earlier, this.#log, () => claim.holds(index));
      for await (const datum of datumsOf(work, this.#store)) {
        if (!claim.holds(index)) return;
        const earlier = done.find(datum.id);
        if (earlier !== undefined) datum.earlier = create(store.EarlierDatumSchema, earlier);
        await writer.add(datum);
      }
      this.#written.set(claim, { writer, ms: this.#clock.now() - began });
      claim.finish(index, 0);
    } catch (error) {
      // A race ends with its first failure.
      if (!failsForGood(error) || isRace) throw error;
      this.#failed.set(claim, error.message);
      claim.finish(index, 0);
    } finally {
      this.#isBusy = false;
    }
  }

  async build(claim: Claim, cut: Cut): Promise<Built> {
    const { job } = claim.assigned;
    const header = { job, attempt: cut.attempt, worker: this.#worker };
    const written = this.#written.get(claim);
    // A plan that can never be made is committed empty, and as failed.
    const { ref: result, manifest } = await (written?.writer ?? new PlanWriter(this.#store)).finish(header);
    if (written !== undefined) {
      const totals = { succeeded: 1n, outputBytes: manifest.bytes, medianMs: medianMs([written.ms]) };
      return { result, totals: create(dispatch.TotalsSchema, totals) };
    }
    const firstFailedMessage = this.#failed.get(claim)?.slice(0, FAILURE_CHARS_MAX) ?? "";
    return { result, totals: create(dispatch.TotalsSchema, { failed: 1n, firstFailedMessage }) };
  }

  committed(claim: Claim): void {
    this.#written.delete(claim);
    this.#failed.delete(claim);
  }
}

/** The datums of a job, in order. */
async function* datumsOf(work: store.WorkInput, source: Store): AsyncGenerator<store.Datum, void, void> {
  const pfs = work.spec?.input?.pfs;
  const input = work.inputs[0];
  if (pfs === undefined || input === undefined || work.inputs.length !== 1) {
    throw unimplemented(
      "INPUT_UNIMPLEMENTED",
      `pipeline ${work.pipeline} has another input than one pfs: that is not implemented yet`,
    );
  }
  const common = workId(work.pipeline, work.spec);
  const glob = compileGlob(pfs.glob);
  const files = readCommit(source, input.manifest, { prefix: glob.literalPrefix });
  for await (const { path, files: matched } of findMatches(files, glob)) {
    const inputs = [create(store.DatumInputSchema, { name: input.name, path, files: [...matched] })];
    yield create(store.DatumSchema, { id: datumId(common, inputs), inputs });
  }
}
