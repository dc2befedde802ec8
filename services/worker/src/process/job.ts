// What the processing of one job needs, read once and kept for its claims.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileMergeSpec, getMessage, PlanReader } from "@sheaf/files";
import { type api, store } from "@sheaf/proto";
import { internal } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";

const TRIES_DEFAULT = 3;

/** How its datums are run. */
export type Mode =
  /** The command is started for each. */
  | { readonly t: "command" }
  /** The command takes one after another. */
  | { readonly t: "batch" }
  /** A function is called for each; the module is this file. */
  | { readonly t: "handler"; readonly module: string };

export interface ProcessJob {
  readonly work: store.WorkInput;
  readonly mode: Mode;
  readonly argv: readonly string[];
  readonly workingDir: string;
  readonly timeoutMs: number | undefined;
  readonly tries: number;
  readonly accepted: ReadonlySet<number>;
  /** The file that is the command's standard input. */
  readonly stdin: string;
  isSum(path: string): boolean;
  datum(index: number): Promise<store.Datum>;
}

/** `folder`: where the files of the job are put: its standard input, its handler. */
export async function openJob(source: Store, input: store.ObjectRef, folder: string): Promise<ProcessJob> {
  const work = await getMessage(source, store.WorkInputSchema, input);
  const spec = work.spec;
  if (spec?.transform === undefined || work.plan === undefined) {
    throw internal("WORK_INVALID", `the work ${input.key} has no transform or no plan`);
  }
  const plan = new PlanReader(source, await getMessage(source, store.PlanManifestSchema, work.plan));
  const strategyOf = compileMergeSpec(spec.merge);
  const { cmd, stdin, acceptReturnCode, workingDir } = spec.transform;
  return {
    work,
    mode: modeOf(spec.transform, input, folder),
    argv: cmd,
    workingDir,
    timeoutMs: spec.datumTimeout === undefined ? undefined : durationMs(spec.datumTimeout),
    tries: spec.datumTries || TRIES_DEFAULT,
    accepted: new Set(acceptReturnCode),
    stdin: stdin.length === 0 ? "/dev/null" : writeStdin(folder, input, stdin),
    isSum: (path) => strategyOf(path) === "sum",
    datum: async (index) => {
      for await (const datum of plan.datums(BigInt(index), BigInt(index + 1))) return datum;
      throw internal("PLAN_GAP", `the plan of job ${work.job} has no datum ${index}`);
    },
  };
}

function modeOf({ datumBatching, handler }: api.Transform, input: store.ObjectRef, folder: string): Mode {
  if (handler === "") return { t: datumBatching ? "batch" : "command" };
  // The ending makes Node take it for a module, and strip its types if it has any.
  const module = join(folder, `handler-${input.key.replaceAll("/", "-")}.mts`);
  writeFileSync(module, handler);
  return { t: "handler", module };
}

function writeStdin(folder: string, input: store.ObjectRef, lines: readonly string[]): string {
  const file = join(folder, `stdin-${input.key.replaceAll("/", "-")}`);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return file;
}

function durationMs({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): number {
  return Number(seconds) * 1_000 + Math.ceil(nanos / 1e6);
}
