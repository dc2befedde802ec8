// What the worker writes to a launcher: one line of shell per command. Pure.

import { quote } from "./quote.ts";

/** How far a launcher can contain what it runs; see launcher.sh. */
export type Mode = "namespace" | "group";

/** One start of the user's command. */
export interface Command {
  /** The folder of the datum. */
  readonly folder: string;
  /** Where it starts; empty: in the folder. */
  readonly workingDir: string;
  readonly argv: readonly string[];
  /** Its whole environment, beside what the launcher itself was given. */
  readonly env: ReadonlyMap<string, string>;
  /** The file that is its standard input. */
  readonly stdin: string;
}

/**
 * Shells give these names a meaning of their own and may refuse, or die of, a value: `OPTIND=x` ends dash. They go through
 * env(1), which costs one more exec.
 */
const SHELL_NAMES = new Set(["OPTIND", "PPID", "UID", "EUID", "GROUPS", "BASHOPTS", "SHELLOPTS", "LINENO", "FUNCNAME"]);

/** Tells the launcher which program to run from now on. `path` is the PATH that the command will see. */
export function seekLine(name: string, path: string): string {
  return `seek ${quote(name)} ${quote(path)}\n`;
}

/** Runs the command as number `n`, with streams `pair` (0 or 1). The program was named by the last `seekLine`. */
export function runLine(n: number, pair: number, command: Command, mode: Mode): string {
  const begin = `begin ${n} ${quote(command.folder)} ${quote(command.workingDir)}`;
  const streams = `<${quote(command.stdin)} >"$box/out${pair}" 2>"$box/err${pair}" 4>&- 5>&-`;
  const run = (prefix: string) => `${assignments(command.env)}${prefix}${words(command)} ${streams}`;
  const body = mode === "namespace" ? run("") : `{ { gate ${n} && ${run("exec $setsid ")}; } & watch ${n} $!; }`;
  return `${begin} && ${body}; end ${n} $?\n`;
}

function assignments(env: ReadonlyMap<string, string>): string {
  let text = "";
  for (const [name, value] of env) if (isShellName(name)) text += `${name}=${quote(value)} `;
  return text;
}

function words(command: Command): string {
  const odd = [...command.env].filter(([name]) => !isShellName(name)).map(([name, value]) => quote(`${name}=${value}`));
  const args = command.argv.slice(1).map(quote);
  const program = odd.length === 0 ? [] : ['"$env"', ...odd];
  return [...program, '"$program"', ...args].join(" ");
}

function isShellName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !SHELL_NAMES.has(name);
}
