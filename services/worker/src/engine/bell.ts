/** Tells those who wait that something changed; they look again for themselves. */
export class Bell {
  #next = Promise.withResolvers<void>();

  ring(): void {
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers();
    resolve();
  }

  /** Resolves at the next ring. */
  wait(): Promise<void> {
    return this.#next.promise;
  }
}
