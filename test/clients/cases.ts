// What a case is: steps, as they stand in the YAML files of `cases`. Strings may hold `$name`: T, a folder of the case's own; L, a prefix
// for names in the cluster; and what was kept.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Language } from "./driver.ts";

export interface Case {
  readonly case: string;
  readonly steps: readonly Step[];
}

export interface Expected {
  /** What an operation answers: of objects, these fields at least. */
  readonly expect?: unknown;
  /** Or how it fails; `says`: what its message must hold. */
  readonly error?: {
    readonly code: string;
    readonly reason?: string;
    readonly fields?: string[];
    readonly says?: string;
  };
}

export interface Step extends Expected {
  /** An operation of the drivers; `to`: "cluster" (the default), "proxy" (before it), or "fake" (an answering machine). */
  readonly do?: { readonly op: string; readonly to?: string; readonly [field: string]: unknown };
  /** The languages may differ in this field of the answer. */
  readonly own?: string;
  /** It is begun under this name, and ended by `end`. */
  readonly as?: string;
  readonly end?: string;
  /** Waits until the operation has said an event. */
  readonly until?: { readonly of: string; readonly event: unknown };
  readonly cancel?: string;
  /** Every connection through the proxy breaks. */
  readonly cut?: boolean;
  readonly touch?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** Makes a pipe that somebody reads; and afterwards: it still is one. */
  readonly pipe?: string;
  readonly isPipe?: string;
  /** So many files of so many bytes each in a folder. */
  readonly numbered?: { readonly folder: string; readonly count: number; readonly bytes: number };
  readonly large?: { readonly file: string; readonly bytes: number };
  /** Two folders have the same files. */
  readonly same?: readonly [string, string];
  /** Nothing lies there. */
  readonly absent?: string;
  /** Keeps a part of the last answer, by its path, as a variable: `commit: in_commit.id`. */
  readonly keep?: Readonly<Record<string, string>>;
}

export interface KnownFailure {
  readonly language: Language;
  readonly case: string;
  readonly because: string;
}

const FOLDER = join(import.meta.dirname, "cases");

export function readCases(): Case[] {
  return readdirSync(FOLDER).sort().flatMap(readCaseFile);
}

export function readCaseFile(file: string): Case[] {
  return parse(readFileSync(join(FOLDER, file), "utf8")) as Case[];
}

/** Each is run all the same; one that passes is a failure of the list. */
export function readKnownFailures(): KnownFailure[] {
  return parse(readFileSync(join(import.meta.dirname, "known-failures.yaml"), "utf8")) as KnownFailure[];
}
