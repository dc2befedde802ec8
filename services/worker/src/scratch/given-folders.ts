/**
 * Folders for commands that run as another user (transform.user). The worker's scratch folder is closed to everybody else, so these
 * are bound in a launcher's own root folder (rooted.sh), at /.sheaf/given: the user finds its folder there, by a name that
 * nobody can guess, and cannot list the others. All files of theirs are made new for each datum, and removed after it.
 */
import { chmodSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { Random } from "@sheaf/runtime";

/** Where a launcher binds the root of these folders. */
export const GIVEN = "/.sheaf/given";
/** To be passed through, not listed. */
const PASSAGE = 0o711;
const NAME_BYTES = 16;

export class GivenFolders {
  readonly root: string;
  readonly #random: Random;

  constructor(root: string, random: Random) {
    this.root = root;
    this.#random = random;
    mkdirSync(root, { recursive: true });
    chmodSync(root, PASSAGE);
  }

  /** A path that nobody else has or knows, and how the command names it. */
  reserve(): { readonly path: string; readonly seen: string } {
    const path = join(this.root, Buffer.from(this.#random.bytes(NAME_BYTES)).toString("hex"));
    return { path, seen: join(GIVEN, basename(path)) };
  }
}
