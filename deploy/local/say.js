// How the set-up talks to a person: short lines on stderr, so that stdout stays the program's own.
import { writeSync } from "node:fs";

/**
 * A failure that a person can act on: what failed, and what to do next.
 * Anything else that is thrown is a fault of the set-up itself.
 */
export class Trouble extends Error {
  constructor(what, remedy) {
    super(what);
    this.name = "Trouble";
    this.remedy = remedy;
  }
}

/**
 * Prints one line. Written to the descriptor itself: `process.stderr` would make a pipe non-blocking, and
 * the program that takes this process over would inherit that.
 */
export function say(text) {
  try {
    writeSync(2, `sheaf: ${text}\n`);
  } catch {
    // Nobody reads stderr any more. That is no reason to stop.
  }
}

/** Says what begins, does it, and says how long it took. */
export async function timed(doing, done, work) {
  say(`${doing} ...`);
  const begun = Date.now();
  const result = await work();
  say(`${done(result)} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
  return result;
}

/** Prints why the set-up cannot go on. A stack trace only when asked for: it tells a user nothing. */
export function sayTrouble(error) {
  if (process.env.SHEAF_DEBUG) say(error.stack);
  say(`cannot go on: ${error.message}`);
  const remedy =
    error instanceof Trouble
      ? error.remedy
      : remedyOf(error) || "this is a fault of deploy/local: run again with SHEAF_DEBUG=1 and report what it prints.";
  for (const line of remedy.split("\n")) say(`  ${line}`);
}

/** What to do about an error of the operating system. */
export function remedyOf(error) {
  const path = error.dest ?? error.path;
  const where = path ? ` (${path})` : "";
  if (error.code === "ENOSPC" || error.code === "EDQUOT")
    return `the disk is full${where}: free some space, then run again.`;
  if (error.code === "EACCES" || error.code === "EPERM" || error.code === "EROFS")
    return `this user may not write there${where}: change its owner, or set XDG_CACHE_HOME to a folder that you can write.`;
  return undefined;
}
