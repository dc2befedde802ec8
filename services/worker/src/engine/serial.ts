/** Runs tasks one after another, in the order in which they came. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();
  #length = 0;

  /** Tasks that wait or run. */
  get length(): number {
    return this.#length;
  }

  /** Resolves or rejects as the task does; a failed task does not keep the next from running. */
  run<T>(task: () => T | Promise<T>): Promise<T> {
    this.#length++;
    const result = this.#last.then(task).finally(() => this.#length--);
    this.#last = result.catch(() => {});
    return result;
  }
}
