/** A value that must not be seen: it shows as `[redacted]` wherever it is printed, logged or encoded. */

/** Node's `util.inspect.custom`, which is this in browsers as well. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");
const SHOWN = "[redacted]";

export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** The value itself. Call it where it is used, and keep the Secret everywhere else. */
  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [INSPECT](): string {
    return SHOWN;
  }
}
