/** What is wrong with a file, each with its place. */
import { type FieldViolation, invalidArgument } from "@sheaf/runtime";
import type { LineCounter } from "yaml";

/** Beyond this many a reader looks at the first ones anyway. */
const SHOWN = 10;

export class Problems {
  /** Of the file. */
  readonly name: string;
  readonly #lines: LineCounter;
  readonly #found: FieldViolation[] = [];

  constructor(name: string, lines: LineCounter) {
    this.name = name;
    this.#lines = lines;
  }

  get count(): number {
    return this.#found.length;
  }

  /** `offset`: in characters from the beginning of the file. */
  add(offset: number, description: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.#found.push({ field: `${this.name}:${line || 1}:${col || 1}`, description });
  }

  /** One INVALID_ARGUMENT for all: the first is its message, the others are its details. */
  throwIfAny(): void {
    const [first] = this.#found;
    if (first === undefined) return;
    const more = this.#found.length > SHOWN ? ` (and ${this.#found.length - 1} more problems)` : "";
    throw invalidArgument("SPEC_FILE_INVALID", `${first.field}: ${first.description}${more}`, {
      details: this.#found.slice(0, SHOWN),
    });
  }
}
