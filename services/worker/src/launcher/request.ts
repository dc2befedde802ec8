// What the worker writes to a launcher: one line of shell per command. Pure.

import { becomeWords } from "../user/become.ts";
import type { User } from "../user/user.ts";
import type { Limits } from "./cgroups.ts";
import { quote } from "./quote.ts";

/** How far a launcher can contain what it runs; see launcher.sh. */
export type Mode = "namespace" | "group";

/** The shell that reads the requests. */
export interface Shell {
  /** It belongs where the commands run: `sh` means it. Else it came with us, and brings an `env` along. */
  readonly isOwn: boolean;
  /** The PATH of commands whose spec sets none; undefined: what the shell was started with. */
  readonly path: string | undefined;
}

/** One start of the user's command. */
export interface Command {
  /** The folder of the datum, or its own if it takes several. */
  readonly folder: string;
  /** The folder of the first datum, if that is another. */
  readonly datum?: string;
  /** Names of its inputs, which the datum's folder `pfs` has folders for. */
  readonly inputs: readonly string[];
  /** Where it starts; empty: in the folder. */
  readonly workingDir: string;
  readonly argv: readonly string[];
  /** Its whole environment, beside what the launcher itself was given. */
  readonly env: ReadonlyMap<string, string>;
  /** The file that is its standard input. */
  readonly stdin: string;
  /** What it may use, where that can be enforced. */
  readonly limits: Limits;
  /** Whom it runs as; absent: as the launcher does. */
  readonly user?: User | undefined;
}

/**
 * Shells give these names a meaning of their own and may refuse, or die of, a value: `OPTIND=x` ends dash. They go through
 * env(1), which costs one more exec.
 */
const SHELL_NAMES = new Set(["OPTIND", "PPID", "UID", "EUID", "GROUPS", "BASHOPTS", "SHELLOPTS", "LINENO", "FUNCNAME"]);

/** Tells the launcher which program to run from now on, in the PATH that the command will see. */
export function seekLine({ argv, env }: Pick<Command, "argv" | "env">, shell: Shell): string {
  const path = env.get("PATH") ?? shell.path;
  return `seek ${quote(argv[0] ?? "")} ${path === undefined ? '"$PATH"' : quote(path)}\n`;
}

/** Runs the command as number `n`, with streams `pair` (0 or 1). The program was named by the last `seekLine`. */
export function runLine(n: number, pair: number, command: Command, mode: Mode, shell: Shell): string {
  const run = (prefix: string) => `${prefixed(prefix, command, shell)} ${streams(pair, command)}`;
  const body = mode === "namespace" ? run("") : `{ { gate ${n} && ${run("exec $l_setsid ")}; } & watch ${n} $!; }`;
  return line(n, command, body);
}

/** Tells the launcher the limit that it must lift while it ends what a command left. */
export function pidsLine({ file, max }: { readonly file: string; readonly max: number }): string {
  return `l_pids=${quote(file)} l_pids_max=${max}\n`;
}

/** Tells the launcher which script to evaluate itself from now on, if it can; it answers with `n`. */
export function takeLine(n: number, script: string): string {
  return `take ${n} ${quote(script)}\n`;
}

/** Evaluates the script of the last `takeLine`, which the launcher has taken, as number `n`. */
export function inlineLine(n: number, pair: number, command: Command): string {
  return line(n, command, `${assignments(command.env)}run ${streams(pair, command)}`);
}

function line(n: number, { folder, workingDir }: Command, body: string): string {
  return `begin ${n} ${quote(folder)} ${quote(workingDir)} && ${body}; end ${n} $?\n`;
}

function streams(pair: number, { stdin }: Command): string {
  return `<${quote(stdin)} >"$l_box/out${pair}" 2>"$l_box/err${pair}" 4>&- 5>&-`;
}

/** What becomes another user must not see that user's variables: as root, a program may load what they name. env(1) sets them. */
function prefixed(prefix: string, command: Command, shell: Shell): string {
  if (command.user === undefined) return `${assignments(command.env)}${prefix}${words(command, isShellName, shell)}`;
  const [, ...become] = becomeWords(command.user);
  return `${prefix}"$l_setpriv" ${become.join(" ")} ${words(command, () => false, shell)}`;
}

function assignments(env: ReadonlyMap<string, string>): string {
  let text = "";
  for (const [name, value] of env) if (isShellName(name)) text += `${name}=${quote(value)} `;
  return text;
}

/** `isSet`: whether a variable is set before. */
function words(command: Command, isSet: (name: string) => boolean, { isOwn }: Shell): string {
  const odd = [...command.env].filter(([name]) => !isSet(name)).map(([name, value]) => quote(`${name}=${value}`));
  const args = command.argv.slice(1).map(quote);
  const through = odd.length === 0 ? [] : [isOwn ? '"$l_env"' : '"$l_busybox" env', ...odd];
  // A shell calls itself what it was called: by its path only if it was called so. No shell has a command of its own named sh, but one
  // that came with us may take it for itself.
  const program = isOwn && command.argv[0] === "sh" ? "sh" : '"$l_program"';
  return [...through, program, ...args].join(" ");
}

function isShellName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !SHELL_NAMES.has(name);
}
