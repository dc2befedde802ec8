/** Keeps the results of the last few reads, so that what is asked for again and again is read once. */

export class Recent<K, V> {
  readonly #limit: number;
  /** In order of last use. Promises, so that two who ask at a time share a read. */
  readonly #values = new Map<K, Promise<V>>();

  /** Keeps at most `limit` values. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The value of the key, read if it is not here. A read that fails is not kept. */
  get(key: K, read: () => Promise<V>): Promise<V> {
    let value = this.#values.get(key);
    if (value === undefined) {
      value = read();
      value.catch(() => this.#values.delete(key));
    } else {
      this.#values.delete(key);
    }
    this.#values.set(key, value);
    if (this.#values.size > this.#limit) this.#dropOldest();
    return value;
  }

  #dropOldest(): void {
    for (const key of this.#values.keys()) {
      this.#values.delete(key);
      return;
    }
  }
}
