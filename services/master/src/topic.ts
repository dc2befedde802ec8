/** Tells those who listen that something they named has changed. It carries no value: who is told looks for itself. */
export class Topic {
  readonly #listeners = new Map<string, Set<() => void>>();

  /** `listener` must not throw. Returns what ends it. */
  listen(key: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) this.#listeners.delete(key);
    };
  }

  changed(key: string): void {
    for (const listener of [...(this.#listeners.get(key) ?? [])]) listener();
  }
}
