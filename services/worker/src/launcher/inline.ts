/**
 * Which commands a launcher may evaluate in a subshell of its own, instead of starting another shell: `sh -c SCRIPT` starts one
 * process less then, and one exec, which is most of what a small datum costs.
 *
 * The command must not be able to tell. A subshell of the launcher differs from a shell of its own in what it inherits: its
 * process id in `$$` and its parent's in PPID (both those of the launcher: two slots would share the temporary files that are
 * named after them), `$!` of the launcher's killer, its flags, and that the script is read whole before it begins, as the body
 * of a function. What can show one of these is looked for in the script's text, and so is all that can run text that is not
 * there to be seen (eval, `.`). A word in a string or comment counts as well: the worst of it is a datum as slow as ever.
 * What is left is what only a program can see that looks at processes: the parent of the last command (the launcher; some shells
 * run it in their own place, others do not), and the name of the shell's own process in /proc.
 *
 * The launcher unsets its own variables and functions (launcher.sh), and takes no script that its shell cannot parse.
 *
 * Pure.
 */
import type { Command } from "./request.ts";

/** `$$`, `$!`, `$-`, also in braces. */
const OWN_STATE = /\$\{?[$!-]/;
const WORDS =
  /\b(?:PPID|LINENO|BASH\w*|SHLVL|eval|source|alias|local|declare|typeset|trap|jobs|fg|bg|disown|shopt|type|fc|history)\b/;
/** `. file` as a command. */
const DOT = /(?:^|[\s;&|(){}!`])\.\s/;
/** `set` with other options than these, or with none: it then lists variables. */
const SET = /\bset\b(?!\s+(?:--(?=\s)|[-+][aCefux]+(?=[\s;&|)]|$)))/;
/** Here-documents may end with the text, and a backslash at its end joins it with what follows. */
const OPEN_END = /<<|\\$/;
/** Descriptors of more than one digit, or named by a variable: dash's error tells the line of the shell's own input. */
const ODD_DESCRIPTOR = /[<>]&(?![0-9-](?!\d))/;

const UNSAFE = [OWN_STATE, WORDS, DOT, SET, OPEN_END, ODD_DESCRIPTOR];

/** All variables of launcher.sh begin with it. */
const LAUNCHER_PREFIX = "l_";

/** The script, if the command is one that may be evaluated. */
export function inlineScript({ argv, env, user }: Pick<Command, "argv" | "env" | "user">): string | undefined {
  if (user !== undefined) return undefined; // Our shell is not the user's.
  const [shell, option, script] = argv;
  if (argv.length !== 3 || shell !== "sh" || option !== "-c" || script === undefined) return undefined;
  if (UNSAFE.some((unsafe) => unsafe.test(script))) return undefined;
  for (const name of env.keys()) if (name.startsWith(LAUNCHER_PREFIX)) return undefined;
  return script;
}
