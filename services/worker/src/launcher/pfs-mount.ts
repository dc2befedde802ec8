/**
 * /pfs of a container: a folder that is mounted there, with a link for each input and for `out`. All of them lead through one link,
 * which stands for one datum after another.
 *
 * Commands may write to the folder. So it is looked at before each datum, and whatever is not as it should be is made so. It is
 * reached by a descriptor, or a command could put a link in the place of a folder above it, and have this worker clear out another.
 */
import { closeSync, constants, openSync, readdirSync, readlinkSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { removeFolder } from "../scratch/remove.ts";

const NOW = ".now";
const NEXT = ".next";

export class PfsMount {
  readonly #fd: number;
  readonly #at: string;

  constructor(folder: string) {
    this.#fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    this.#at = `/proc/self/fd/${this.#fd}`;
  }

  /** Points it at the datum in `folder`. It was never seen pointing nowhere: one link takes the other's place. */
  point(folder: string, inputs: readonly string[]): void {
    const links = new Set(["out", ...inputs]);
    for (const name of readdirSync(this.#at)) {
      const isOurs = name === NOW || links.has(name);
      if (isOurs && this.#read(name) !== undefined) continue;
      removeFolder(join(this.#at, name));
    }
    for (const name of links) this.#link(name, `${NOW}/${name}`);
    symlinkSync(join(folder, "pfs"), join(this.#at, NEXT));
    renameSync(join(this.#at, NEXT), join(this.#at, NOW));
  }

  close(): void {
    closeSync(this.#fd);
  }

  #link(name: string, target: string): void {
    const found = this.#read(name);
    if (found === target) return;
    if (found !== undefined) removeFolder(join(this.#at, name));
    symlinkSync(target, join(this.#at, name));
  }

  /** What the link says; undefined: there is none. */
  #read(name: string): string | undefined {
    try {
      return readlinkSync(join(this.#at, name));
    } catch {
      return undefined;
    }
  }
}
