// The user's cache: programs that every clone shares, each in a folder `<name>/` that appears whole or not at all.
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { withLock } from "./lock.js";
import { remedyOf, Trouble } from "./say.js";

const STAMP = "stamp.json";

/** Where the cache lies: `$XDG_CACHE_HOME/sheaf`, or `~/.cache/sheaf`. */
export function cacheRoot() {
  const set = process.env.XDG_CACHE_HOME;
  // The XDG specification has relative paths ignored.
  return join(set && isAbsolute(set) ? set : join(homedir(), ".cache"), "sheaf");
}

/** What this machine is called in names of cached folders. */
export const platform = `${process.platform}-${process.arch}`;

/**
 * The path of `program` in the cached folder `name`, or undefined. A few stats and no process: this runs at every
 * start. The stamp is what tells a whole folder from one that was cut short; it names no time, so that a copied cache is good.
 */
export function cached(name, program) {
  const folder = join(cacheRoot(), name);
  try {
    const stamp = JSON.parse(readFileSync(join(folder, STAMP), "utf8"));
    const file = join(folder, program);
    const { size, mode } = statSync(file);
    if (stamp.size === size && (mode & 0o111) !== 0) return file;
  } catch {
    // Absent or unreadable: to be made again.
  }
  return undefined;
}

/**
 * The path of `program` in the cached folder `name`, which `fill(folder, adopt)` makes when it is not there. Two set-ups at once
 * do it once; a set-up that is killed leaves nothing that a later one would believe.
 */
export async function obtain(name, program, fill) {
  const root = cacheRoot();
  makeRoot(root);
  return await withLock(join(root, `${name}.lock`), async (adopt) => {
    const already = cached(name, program);
    if (already) return already;
    // Under the lock, whatever carries the name of a draft was left by a set-up that was killed.
    for (const entry of readdirSync(root))
      if (entry.startsWith(`${name}.draft-`)) rmSync(join(root, entry), { recursive: true, force: true });
    const draft = join(root, `${name}.draft-${process.pid}`);
    const forget = () => rmSync(draft, { recursive: true, force: true });
    process.once("exit", forget);
    try {
      mkdirSync(draft);
      await fill(draft, adopt);
      stamp(draft, program);
      const final = join(root, name);
      if (existsSync(final)) {
        const broken = `${draft}-broken`;
        renameSync(final, broken);
        renameSync(draft, final);
        rmSync(broken, { recursive: true, force: true });
      } else renameSync(draft, final);
      return join(final, program);
    } finally {
      forget();
      process.removeListener("exit", forget);
    }
  });
}

function stamp(folder, program) {
  const file = join(folder, program);
  const descriptor = openSync(file, "r");
  fsyncSync(descriptor); // A size that matches after a power cut must mean that the bytes are there.
  closeSync(descriptor);
  writeFileSync(join(folder, STAMP), JSON.stringify({ size: statSync(file).size }));
}

function makeRoot(root) {
  try {
    mkdirSync(root, { recursive: true });
  } catch (error) {
    const cause = whyNotWritable(dirname(root)) ?? error;
    throw new Trouble(
      `the cache folder ${root} cannot be made: ${cause.message}`,
      remedyOf(cause) ?? `see what lies at ${dirname(root)}, or set XDG_CACHE_HOME to a folder that you can write.`,
    );
  }
}

/** On a read-only disk `mkdir` with parents says "no such file": this asks the nearest folder that there is. */
function whyNotWritable(folder) {
  if (!existsSync(folder)) return whyNotWritable(dirname(folder));
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    return error;
  }
  return undefined;
}
