/** What lies between a worker and one life of a long-lived command: a folder with two FIFOs and the file of the variables. */
import { chownSync, closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@sheaf/runtime";
import { FifoReader, FifoWriter, makeFifos } from "../launcher/fifos.ts";
import { removeFolder } from "../scratch/remove.ts";
import type { User } from "../user/user.ts";
import { datumLine, variablesFile } from "./line.ts";

const LF = 0x0a;
/** Of an answer that is longer, this much is looked at: it may be the message that is long. */
const LINE_BYTES_MAX = 64 * 1024;

export interface ChannelOptions {
  /** Made here, and removed by `close`. The command starts in it. */
  readonly folder: string;
  /** How the command names it. */
  readonly seen: string;
  /** Whose it becomes; undefined: the worker's own. */
  readonly user: User | undefined;
  readonly clock: Clock;
  /** A line of the command, without its end. */
  readonly onLine: (line: string) => void;
}

export class Channel {
  readonly #options: ChannelOptions;
  readonly #datums: FifoWriter;
  readonly #results: FifoReader;
  readonly #file: string;
  readonly #fd: number;
  #partial: Buffer = Buffer.alloc(0);
  /** The begin of the line was handed on already: the rest of it is no answer, least of all for the next datum. */
  #isInRest = false;
  #fileBytes = 0;
  #hasEnded = false;

  constructor(options: ChannelOptions) {
    const { folder, seen, user, clock } = options;
    this.#options = options;
    makeFifos(folder, ["datums", "results"]);
    this.#datums = new FifoWriter(folder, "datums", clock);
    this.#results = new FifoReader(folder, "results", (bytes) => this.#onBytes(bytes));
    this.#file = join(seen, "datum.env");
    const file = join(folder, "datum.env");
    this.#fd = openSync(file, "wx", 0o644);
    // Last: until then nobody else may put anything here.
    if (user === undefined) return;
    for (const each of [join(folder, "datums"), join(folder, "results"), file, folder])
      chownSync(each, user.uid, user.gid);
  }

  /** What the command must know to find it. */
  get env(): readonly (readonly [string, string])[] {
    const { seen } = this.#options;
    return [
      ["SHEAF_DATUMS", join(seen, "datums")],
      ["SHEAF_RESULTS", join(seen, "results")],
    ];
  }

  /** Hands out a datum. The one before it must have been answered: the file of the variables is used again. */
  send(number: number, variables: Iterable<readonly [string, string]>): void {
    const text = Buffer.from(variablesFile(variables));
    // Empty lines instead of a shorter file: to cut a file may wait for the disk.
    const bytes = Buffer.alloc(Math.max(text.length, this.#fileBytes), LF);
    text.copy(bytes);
    writeSync(this.#fd, bytes, 0, bytes.length, 0);
    this.#fileBytes = bytes.length;
    this.#datums.write(datumLine(number, this.#file));
  }

  /** Whether the command has taken what was sent, as far as can be seen: it may have read a line and done nothing with it. */
  get isTaken(): boolean {
    return this.#hasEnded || this.#datums.isEmpty;
  }

  /** No datum follows: the command reads the end of its input. */
  end(): void {
    if (!this.#hasEnded) this.#datums.close();
    this.#hasEnded = true;
  }

  close(): void {
    this.end();
    this.#results.close();
    closeSync(this.#fd);
    removeFolder(this.#options.folder);
  }

  #onBytes(bytes: Buffer): void {
    let rest = this.#partial.length === 0 ? bytes : Buffer.concat([this.#partial, bytes]);
    for (let end = rest.indexOf(LF); end >= 0; end = rest.indexOf(LF)) {
      const line = rest.toString("utf8", 0, Math.min(end, LINE_BYTES_MAX));
      rest = rest.subarray(end + 1);
      if (!this.#isInRest) this.#options.onLine(line);
      this.#isInRest = false;
    }
    const isTooLong = rest.length > LINE_BYTES_MAX;
    // A copy: what was read is the reader's own.
    this.#partial = isTooLong || this.#isInRest ? Buffer.alloc(0) : Buffer.from(rest);
    if (!isTooLong || this.#isInRest) return;
    this.#isInRest = true;
    this.#options.onLine(rest.toString("utf8", 0, LINE_BYTES_MAX));
  }
}
