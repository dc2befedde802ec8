/**
 * A datum as a handler sees it. Synchronous: a thread has one datum at a time, and small files are read twice as fast so.
 *
 * A small datum has no files at first (held.ts). As soon as the handler asks where something is, they are made, and from
 * then on everything is in them.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { inspect } from "node:util";
import type { HeldFile, ToHandler, WrittenFile } from "./messages.ts";

/** More output than this goes into files. */
const WRITTEN_BYTES_MAX = 1024 * 1024;
/** More files than this, or deeper ones, do so as well. */
const WRITTEN_FILES_MAX = 10_000;
const DEPTH_MAX = 64;

/** Data of a wrong kind, in a message. */
const SHOWN = { depth: 0, maxArrayLength: 3, maxStringLength: 40, breakLength: Infinity };

/** An input of a datum. */
export interface HandlerInput {
  /** Its name in the pipeline's spec. */
  readonly name: string;
  /** What the glob matched, in its repo: "/a/b". */
  readonly path: string;
  /** Where that lies on this machine: a file, or a folder. */
  readonly file: string;
}

export class HandlerDatum {
  /** The same for the same data, in every job. */
  readonly id: string;
  readonly inputs: readonly HandlerInput[];
  readonly #message: ToHandler;
  #held: readonly HeldFile[] | undefined;
  readonly #written = new Map<string, Uint8Array>();
  readonly #folders = new Set<string>();
  #writtenBytes = 0;
  #isOver = false;

  constructor(message: ToHandler) {
    this.id = message.id;
    this.#message = message;
    this.#held = message.held;
    const fileOf = (name: string, path: string) => join(this.#pfs(), name, path);
    this.inputs = message.inputs.map(({ name, path }) => ({
      name,
      path,
      get file() {
        return fileOf(name, path);
      },
    }));
  }

  /** The last part of the path of the first input: "b" of "/a/b". */
  get name(): string {
    return basename(this.#message.inputs[0]?.path ?? "");
  }

  /** The file or folder of the first input. */
  get input(): string {
    return this.inputs[0]?.file ?? "";
  }

  /** The folder of the output: whatever is in it in the end is the result. */
  get out(): string {
    return join(this.#pfs(), "out");
  }

  /** SHEAF_INPUT, SHEAF_DATUM_ID and so on, and what the pipeline's spec sets. */
  get env(): Readonly<Record<string, string>> {
    this.#pfs();
    return this.#message.env;
  }

  /** The bytes of the first input, when it is one file. */
  bytes(): Buffer {
    const [first] = this.#message.inputs;
    const held = this.#held?.find(({ path }) => path === `${first?.name}${first?.path}`);
    return held === undefined ? readFileSync(this.input) : Buffer.from(held.bytes);
  }

  text(): string {
    return this.bytes().toString();
  }

  /** Writes a file of the output: "counts/a.txt". Its folders are made. */
  write(name: string, data: string | NodeJS.ArrayBufferView): void {
    this.#refuseIfOver();
    if (typeof name !== "string")
      throw new TypeError(`write(name, data): the name is ${inspect(name, SHOWN)}: use text`);
    const out = join(this.#message.folder, "pfs", "out");
    const file = resolve(out, name);
    if (!file.startsWith(out + sep)) throw new RangeError(`${JSON.stringify(name)} is not in the output's folder`);
    const bytes = bytesOf(name, data);
    const path = file.slice(out.length);
    this.#writtenBytes += bytes.length;
    if (this.#held !== undefined && (this.#writtenBytes > WRITTEN_BYTES_MAX || !this.#canHold(path))) this.#pfs();
    if (this.#held !== undefined) this.#written.set(path, bytes);
    else writeInto(file, bytes);
  }

  /** The handler has returned: what it still does with the datum would be lost, or meet the worker in its folder. */
  close(): void {
    this.#isOver = true;
  }

  #refuseIfOver(): void {
    if (!this.#isOver) return;
    const which = JSON.stringify(this.#message.inputs[0]?.path ?? this.id);
    throw new Error(`the handler has returned from datum ${which} already: it has to await all that uses the datum`);
  }

  /** For whoever called the handler: the output, unless it is in files. */
  written(): WrittenFile[] | undefined {
    return this.#held && [...this.#written].map(([path, bytes]) => ({ path, bytes }));
  }

  /**
   * A file and a folder of one name: the file system shall say what is wrong with that. Of very many files, and very deep
   * ones, the worker says it as of every output when it finds them there.
   */
  #canHold(path: string): boolean {
    if (this.#folders.has(path) || this.#written.size >= WRITTEN_FILES_MAX) return false;
    if (path.split("/").length > DEPTH_MAX) return false;
    for (let folder = dirname(path); folder !== "/"; folder = dirname(folder)) {
      if (this.#written.has(folder)) return false;
      this.#folders.add(folder);
    }
    return true;
  }

  /** The folder of inputs and output. From now on everything is there. */
  #pfs(): string {
    const pfs = join(this.#message.folder, "pfs");
    const held = this.#held;
    if (held === undefined) return pfs;
    this.#refuseIfOver();
    this.#held = undefined;
    mkdirSync(join(pfs, "out"), { recursive: true });
    for (const { path, bytes, executable } of held) writeInto(join(pfs, path), bytes, executable ? 0o555 : 0o444);
    for (const [path, bytes] of this.#written) writeInto(join(pfs, "out", path), bytes);
    return pfs;
  }
}

function writeInto(file: string, bytes: Uint8Array, mode = 0o666): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes, { mode });
}

/** A copy, in a buffer of its own. Types are erased: a number, or an object, would be made into an empty file. */
function bytesOf(name: string, data: string | NodeJS.ArrayBufferView): Uint8Array {
  if (typeof data === "string") return new TextEncoder().encode(data);
  if (!ArrayBuffer.isView(data)) {
    const use = "use text, a Buffer, or another view of bytes";
    throw new TypeError(`write(${JSON.stringify(name)}, data): the data is ${inspect(data, SHOWN)}: ${use}`);
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
}
