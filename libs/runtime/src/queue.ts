/**
 * A bounded queue between two stages of a pipeline: a fast producer waits for a slow consumer, so that
 * memory stays bounded. First in, first out, also among those who wait.
 */
import { cancelled } from "./errors.ts";
import { Line } from "./line.ts";

export interface QueueOptions<T> {
  /** Most items that wait in the queue, at least 1. */
  readonly maxCount: number;
  /** Most weight (bytes, say) that waits. An item that is heavier alone passes when the queue is empty. */
  readonly maxWeight?: number;
  readonly weigh?: (item: T) => number;
}

export type Taken<T> = { readonly done: false; readonly item: T } | { readonly done: true };

export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #options: QueueOptions<T>;
  readonly #items: T[] = [];
  readonly #pushers = new Line();
  readonly #takers = new Line();
  #weight = 0;
  #closed = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: QueueOptions<T>) {
    this.#options = options;
  }

  /** Items that wait. */
  get size(): number {
    return this.#items.length;
  }

  /** Their weight. */
  get weight(): number {
    return this.#weight;
  }

  /**
   * Puts the item in when there is room, after all who waited before. False when the queue is closed:
   * the item was not taken. Rejects with the error of `fail`, or with the signal's reason.
   */
  async push(item: T, signal?: AbortSignal): Promise<boolean> {
    const pushed = await this.#pushers.enter(() => this.#tryAdd(item), signal);
    return pushed;
  }

  /** Puts the item in if that needs no waiting, and says whether it did. */
  tryPush(item: T): boolean {
    return this.#pushers.length === 0 && this.#tryAdd(item)?.value === true;
  }

  /** The next item; `done` when the queue is closed and empty. Rejects as `push` does. */
  take(signal?: AbortSignal): Promise<Taken<T>> {
    return this.#takers.enter(() => this.#tryTake(), signal);
  }

  /** No more items come in; those that wait are still handed out. Twice is harmless. */
  close(): void {
    this.#closed = true;
    this.#settle();
  }

  /** Ends both sides with this error and drops what waits. The first error stays. */
  fail(error: unknown): void {
    this.#failure ??= { error: error ?? cancelled("QUEUE_FAILED", "the queue was ended") };
    this.#items.length = 0;
    this.#weight = 0;
    this.#settle();
  }

  /** Hands out items until the queue is closed and empty. Breaking out of the loop leaves the rest in it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (let next = await this.take(); !next.done; next = await this.take()) yield next.item;
  }

  #tryAdd(item: T): { readonly value: boolean } | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#closed) return { value: false };
    const weight = this.#options.weigh?.(item) ?? 0;
    if (this.#items.length > 0 && !this.#hasRoom(weight)) return undefined;
    this.#items.push(item);
    this.#weight += weight;
    this.#settle();
    return { value: true };
  }

  #tryTake(): { readonly value: Taken<T> } | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#items.length === 0) return this.#closed ? { value: { done: true } } : undefined;
    const item = this.#items.shift() as T;
    this.#weight -= this.#options.weigh?.(item) ?? 0;
    this.#settle();
    return { value: { done: false, item } };
  }

  #hasRoom(weight: number): boolean {
    const { maxCount, maxWeight = Number.POSITIVE_INFINITY } = this.#options;
    return this.#items.length < maxCount && this.#weight + weight <= maxWeight;
  }

  /** Lets those through who wait for what just changed. Later, so that each act ends before the next. */
  #settle(): void {
    if (this.#pushers.length + this.#takers.length === 0) return;
    queueMicrotask(() => {
      this.#takers.advance();
      this.#pushers.advance();
    });
  }
}
