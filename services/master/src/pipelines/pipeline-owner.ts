// Campaigns for one pipeline for as long as it exists, and serves a term whenever it is owned.

import type { Dispatcher } from "@sheaf/ledger";
import { backoff, messageOf, unavailable } from "@sheaf/runtime";
import { Term, type TermDeps } from "./term.ts";

export interface PipelineOwnerDeps extends TermDeps {
  readonly dispatcher: Dispatcher;
}

export class PipelineOwner {
  readonly #deps: PipelineOwnerDeps;
  readonly #pipeline: string;
  readonly #changed: () => void;
  readonly #ending = new AbortController();
  readonly #ended: Promise<void>;
  #waiting: ((term: Term) => void)[] = [];
  #term: Term | undefined;

  /** `changed` is called when `current` has changed. */
  constructor(deps: PipelineOwnerDeps, pipeline: string, changed: () => void) {
    this.#deps = deps;
    this.#changed = changed;
    this.#pipeline = pipeline;
    this.#ended = this.#run();
  }

  /** The term that is served now; undefined when the pipeline is not owned here. */
  get current(): Term | undefined {
    return this.#term;
  }

  /** Waits until the pipeline is owned here. UNAVAILABLE when that takes longer. */
  async term(withinMs: number): Promise<Term> {
    if (this.#term !== undefined) return this.#term;
    const { promise, resolve, reject } = Promise.withResolvers<Term>();
    this.#waiting.push(resolve);
    const text = `this master does not own pipeline "${this.#pipeline}": try again`;
    using _limit = this.#deps.world.clock.timer(withinMs, () =>
      reject(unavailable("NOT_OWNER", text, { retryDelayMs: 1_000 })),
    );
    return await promise;
  }

  /** Gives the pipeline up. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#ended;
    // Last: a campaign that was won just now is given up as well, or nobody could own the pipeline again.
    await this.#deps.dispatcher.release(this.#pipeline);
  }

  async #run(): Promise<void> {
    const { dispatcher, world } = this.#deps;
    const { signal } = this.#ending;
    const waits = backoff({ baseMs: 100, capMs: 5_000, random: world.random });
    while (!signal.aborted) {
      try {
        const ownership = await dispatcher.own(this.#pipeline, signal);
        const term = new Term(this.#deps, ownership);
        this.#begin(term);
        const started = term
          .start()
          .catch((error) => world.log.warn({ err: error, pipeline: this.#pipeline }, "a term began badly"));
        waits.reset();
        await Promise.race([ownership.lost, ownership.recalled, aborted(signal)]);
        this.#term = undefined;
        this.#changed();
        await started;
        await term.stop();
        // To a replica that came; when it was lost there is nothing to give, and after an abort `stop` does it.
        if (!signal.aborted) await dispatcher.release(this.#pipeline);
      } catch (error) {
        if (signal.aborted) return;
        world.log.warn(
          { err: error, pipeline: this.#pipeline },
          `cannot own the pipeline: ${messageOf(error)}; trying again`,
        );
        await world.clock.sleep(waits.next(), signal).catch(() => {});
      }
    }
  }

  #begin(term: Term): void {
    this.#term = term;
    for (const resolve of this.#waiting.splice(0)) resolve(term);
    this.#changed();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
