// The options of the programs under test/, and what these say when an option is wrong: one line, how to call it, and exit code 2.
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

export function readOptions<T extends ParseArgsOptionsConfig>(options: T, usage: string) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return wrongUsage(error instanceof Error ? error.message : String(error), usage);
  }
}

/** A number of at least `least`; whole unless `parts` says otherwise. */
export function numberOf(name: string, text: string, usage: string, { least = 0, parts = false } = {}): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= least && (parts ? Number.isFinite(value) : Number.isSafeInteger(value)))
    return value;
  return wrongUsage(`--${name} takes a ${parts ? "" : "whole "}number from ${least} on, not "${text}"`, usage);
}

export function wrongUsage(what: string, usage: string): never {
  console.error(`${what}\n${usage}`);
  process.exit(2);
}
