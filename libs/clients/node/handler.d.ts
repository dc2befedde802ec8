/**
 * What a handler in JavaScript or TypeScript gets: `export default (datum) => { ... }`, which may return a promise. Returning
 * is success, throwing is failure. Await all that uses the datum: once the handler has returned, `write` throws. Copy this file
 * where you need the types; it is erased before the handler runs.
 */
export interface HandlerDatum {
  /** The same for the same data, in every job. */
  readonly id: string;
  /** The last part of the path of the first input: "b" of "/a/b". */
  readonly name: string;
  readonly inputs: readonly {
    /** Its name in the pipeline's spec. */
    readonly name: string;
    /** What the glob matched, in its repo: "/a/b". */
    readonly path: string;
    /** Where that lies on this machine: a file, or a folder. */
    readonly file: string;
  }[];
  /** The bytes of the first input, when it is one file. */
  bytes(): Buffer;
  /** The same as UTF-8. */
  text(): string;
  /** Writes a file of the output: "counts/a.txt". Its folders are made; what was there is replaced. */
  write(name: string, data: string | NodeJS.ArrayBufferView): void;
  /** The file or folder of the first input. Asking for it, for `file`, `out` or `env` makes files of what was only bytes. */
  readonly input: string;
  /** The folder of the output: whatever is in it in the end is the result, with what `write` wrote. */
  readonly out: string;
  /** SHEAF_INPUT, SHEAF_DATUM_ID and so on, and what the pipeline's spec sets. */
  readonly env: Readonly<Record<string, string>>;
}
