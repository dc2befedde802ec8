// What the processing of one job needs, read once and kept for its claims.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileMergeSpec, getMessage, PlanReader } from "@sheaf/files";
import { type api, store } from "@sheaf/proto";
import { internal, parseBytes } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { type InputMode, inputModes } from "../datum/input-modes.ts";
import type { Failure } from "../datum/outcome.ts";
import type { Limits } from "../launcher/cgroups.ts";
import { removeFolder } from "../scratch/remove.ts";
import type { Grant } from "../user/grant.ts";
import type { User } from "../user/user.ts";

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
  /** Names of its inputs. */
  readonly inputs: readonly string[];
  readonly workingDir: string;
  readonly timeoutMs: number | undefined;
  readonly tries: number;
  readonly accepted: ReadonlySet<number>;
  /** The file that is the command's standard input. */
  readonly stdin: string;
  /** Run when the tries of a datum are spent, and what it reads; without words: there is none. */
  readonly errArgv: readonly string[];
  readonly errStdin: string;
  /** How the files of each input come to the command. */
  readonly modes: ReadonlyMap<string, InputMode>;
  /** Limit on what a datum may put out, in bytes. */
  readonly diskBytes: number | undefined;
  readonly limits: Limits;
  /** Who its commands run as, if that is not the worker's own user. */
  readonly user: User | undefined;
  /** Why no datum of it can be run here. */
  readonly refused: Failure | undefined;
  isSum(path: string): boolean;
  datum(index: number): Promise<store.Datum>;
}

/** Where files of jobs are put. */
export interface JobFolders {
  /** What commands read: standard inputs. */
  readonly stdin: string;
  /** What this worker runs: handlers. */
  readonly handlers: string;
}

/** `grant`: whether its commands may be a user's. */
export async function openJob(
  source: Store,
  input: store.ObjectRef,
  folders: JobFolders,
  grant: (user: string) => Grant,
): Promise<ProcessJob> {
  const work = await getMessage(source, store.WorkInputSchema, input);
  const spec = work.spec;
  if (spec?.transform === undefined || work.plan === undefined) {
    throw internal("WORK_INVALID", `the work ${input.key} has no transform or no plan`);
  }
  const plan = new PlanReader(source, await getMessage(source, store.PlanManifestSchema, work.plan));
  const strategyOf = compileMergeSpec(spec.merge);
  const { cmd, stdin, errCmd, errStdin, acceptReturnCode, workingDir } = spec.transform;
  const granted = grant(spec.transform.user);
  const stdinFile = (name: string, lines: readonly string[]) =>
    lines.length === 0
      ? "/dev/null"
      : writeStdin(join(folders.stdin, `${name}-${input.key.replaceAll("/", "-")}`), lines);
  return {
    work,
    mode: modeOf(spec.transform, input, folders.handlers),
    argv: cmd,
    inputs: work.inputs.map(({ name }) => name),
    workingDir,
    timeoutMs: spec.datumTimeout === undefined ? undefined : durationMs(spec.datumTimeout),
    tries: spec.datumTries || TRIES_DEFAULT,
    accepted: new Set(acceptReturnCode),
    stdin: stdinFile("stdin", stdin),
    errArgv: errCmd,
    errStdin: stdinFile("err-stdin", errStdin),
    modes: inputModes(spec.input),
    diskBytes: bytesOf("disk", spec.resourceLimits),
    limits: limitsOf(spec.resourceLimits),
    user: granted.ok ? granted.user : undefined,
    refused: granted.ok ? undefined : granted.failure,
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

function limitsOf(spec: api.ResourceSpec | undefined): Limits {
  return { memoryBytes: bytesOf("memory", spec), cpu: spec?.cpu || undefined, pids: spec?.pids || undefined };
}

/** New, whatever was there: a command may have put a link in its place. */
function writeStdin(file: string, lines: readonly string[]): string {
  removeFolder(file);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""), { flag: "wx" });
  return file;
}

function durationMs({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): number {
  return Number(seconds) * 1_000 + Math.ceil(nanos / 1e6);
}

/** The master has checked the text; "" is no limit. */
function bytesOf(field: "disk" | "memory", spec: api.ResourceSpec | undefined): number | undefined {
  const text = spec?.[field] ?? "";
  if (text === "") return undefined;
  const parsed = parseBytes(text);
  if (!("value" in parsed)) throw internal("WORK_INVALID", `resource_limits.${field} ${parsed.wrong}`);
  return parsed.value;
}
