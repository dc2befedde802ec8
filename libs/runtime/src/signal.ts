/**
 * A place in production code that a test can wait for, instead of sleeping. It does nothing, and keeps
 * nothing, until a test arms it.
 */
export class Signal<T> {
  #armed = false;
  #values: T[] = [];
  #waiters: { readonly matches: (value: T) => boolean; readonly resolve: (value: T) => void }[] = [];

  /** Starts to keep what is emitted, for `wait`. At most 10,000 values wait, the oldest go. */
  arm(): this {
    this.#armed = true;
    return this;
  }

  /** In production: says that this happened, at no cost. */
  emit(value: T): void {
    if (!this.#armed) return;
    const at = this.#waiters.findIndex((waiter) => waiter.matches(value));
    if (at >= 0) {
      const [waiter] = this.#waiters.splice(at, 1);
      waiter?.resolve(value);
      return;
    }
    this.#values.push(value);
    if (this.#values.length > 10_000) this.#values.shift();
  }

  /**
   * The first value, emitted since `arm` and not yet waited for, that matches. It waits without limit:
   * a test's own timeout ends it.
   */
  wait(matches: (value: T) => boolean = () => true): Promise<T> {
    if (!this.#armed) throw new Error("arm() the signal before the code under test runs");
    const at = this.#values.findIndex(matches);
    if (at >= 0) return Promise.resolve(this.#values.splice(at, 1)[0] as T);
    return new Promise((resolve) => this.#waiters.push({ matches, resolve }));
  }
}
