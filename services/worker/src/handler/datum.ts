// A datum as a handler sees it. Synchronous: a thread has one datum at a time, and small files are read twice as fast so.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import type { HandlerInput, ToHandler } from "./messages.ts";

export class HandlerDatum {
  /** The same for the same data, in every job. */
  readonly id: string;
  readonly inputs: readonly HandlerInput[];
  /** The folder of the output: whatever is in it in the end is the result. */
  readonly out: string;
  /** SHEAF_INPUT, SHEAF_DATUM_ID and so on, and what the pipeline's spec sets. */
  readonly env: Readonly<Record<string, string>>;

  constructor({ id, inputs, out, env }: ToHandler) {
    this.id = id;
    this.inputs = inputs;
    this.out = out;
    this.env = env;
  }

  /** The file or folder of the first input. */
  get input(): string {
    return this.inputs[0]?.file ?? "";
  }

  /** The bytes of the first input, when it is one file. */
  bytes(): Buffer {
    return readFileSync(this.input);
  }

  text(): string {
    return readFileSync(this.input, "utf8");
  }

  /** Writes a file of the output: "counts/a.txt". Its folders are made. */
  write(name: string, data: string | NodeJS.ArrayBufferView): void {
    const file = resolve(this.out, name);
    if (!file.startsWith(this.out + sep)) throw new RangeError(`${JSON.stringify(name)} is not in the output's folder`);
    if (dirname(file) !== this.out) mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, data);
  }
}
