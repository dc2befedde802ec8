/**
 * What a worker is told whose pipeline is not served here.
 *
 * W1. Where the owner is: its own key says it. So the addresses that a worker was started with lead to replicas that came later.
 * W2. A worker for whose pipeline nobody is known is kept waiting, shorter than its own patience: in a takeover it is served the
 *     moment the new owner is there.
 * W3. So is one that was just sent to the owner and came back: that one is dead, and etcd does not know it yet.
 */

import type { Clock } from "@sheaf/runtime";
import type { Replicas } from "../owner/replicas.ts";

/** A worker waits 5 s for the answer to its Hello. */
const KEEP_MS = 4_500;
/** One that is back sooner did not find the owner where it was sent. */
const BACK_MS = 3_000;

/** When each worker was sent away, and where. Bounded: what is older than BACK_MS is forgotten. */
export class Elsewhere {
  readonly #self: string;
  readonly #replicas: Replicas;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #sent = new Map<string, { readonly address: string; readonly atMs: number }>();

  constructor(self: string, replicas: Replicas, clock: Clock) {
    this.#self = self;
    this.#replicas = replicas;
    this.#clock = clock;
  }

  /** Resolves with the owner's address; "": nobody is known; undefined: `isHere` has become true. */
  async find(worker: string, pipeline: string, isHere: () => boolean): Promise<string | undefined> {
    const end = this.#clock.now() + KEEP_MS;
    for (;;) {
      if (isHere()) return undefined;
      if (this.#closing.signal.aborted) return "";
      const address = this.#addressOf(pipeline);
      const left = end - this.#clock.now();
      if (left <= 0 || (address !== "" && !this.#isBack(worker, address))) return this.#send(worker, address);
      await this.#replicas.changed(pipeline, left, this.#closing.signal).catch(() => {}); // W2, W3
    }
  }

  /** Nobody is kept waiting any more. */
  close(): void {
    this.#closing.abort();
  }

  #addressOf(pipeline: string): string {
    const owner = this.#replicas.owner(pipeline);
    return owner === undefined || owner.id === this.#self ? "" : owner.dispatchAddress;
  }

  #isBack(worker: string, address: string): boolean {
    const sent = this.#sent.get(worker);
    return sent?.address === address && this.#clock.now() - sent.atMs < BACK_MS;
  }

  #send(worker: string, address: string): string {
    const atMs = this.#clock.now();
    for (const [one, sent] of this.#sent) {
      if (atMs - sent.atMs < BACK_MS) break; // the oldest come first
      this.#sent.delete(one);
    }
    this.#sent.delete(worker);
    if (address !== "") this.#sent.set(worker, { address, atMs });
    return address;
  }
}
