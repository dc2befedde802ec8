/** A budget (of slots, of bytes) that many share. First come, first served: a big request is not starved. */
import { invalidArgument } from "./errors.ts";
import { Line } from "./line.ts";

/** A part of the budget. Released once; releasing it again is harmless. */
export interface Permit extends Disposable {
  readonly weight: number;
  release(): void;
}

export class Semaphore {
  readonly capacity: number;
  readonly #line = new Line();
  #used = 0;

  constructor(capacity: number) {
    if (!(capacity > 0))
      throw invalidArgument("SEMAPHORE_CAPACITY", `a semaphore of ${capacity}: at least 1 is needed`);
    this.capacity = capacity;
  }

  get used(): number {
    return this.#used;
  }

  /** Callers that wait. */
  get waiting(): number {
    return this.#line.length;
  }

  /**
   * Waits for `weight` of the budget. A weight above the capacity counts as the capacity: it gets the
   * whole budget, alone, instead of waiting for ever. Rejects with the signal's reason.
   */
  acquire(weight = 1, signal?: AbortSignal): Promise<Permit> {
    return this.#line.enter(() => this.#grant(weight), signal);
  }

  /** The permit if it needs no waiting. */
  tryAcquire(weight = 1): Permit | undefined {
    return this.#line.length === 0 ? this.#grant(weight)?.value : undefined;
  }

  /** Runs `fn` with a permit. */
  async with<T>(weight: number, fn: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    using _permit = await this.acquire(weight, signal);
    return await fn();
  }

  #grant(asked: number): { readonly value: Permit } | undefined {
    const weight = Math.min(asked, this.capacity);
    if (this.#used + weight > this.capacity) return undefined;
    this.#used += weight;
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      this.#used -= weight;
      this.#line.advance();
    };
    return { value: { weight, release, [Symbol.dispose]: release } };
  }
}
