/**
 * The line protocol between a worker and a long-lived command. Pure.
 *
 *     worker -> command   "<number> <file>"                   take this datum: its variables are in the file
 *     command -> worker   "ok <number>"                       it is done
 *                         "fail <number> <code> <message>"    it is not; the code is like an exit code, 1 to 255
 *
 * One datum is out at a time. The number makes an answer that comes twice, or of a process that an earlier datum left
 * behind, be seen as what it is. The file is made to be read by a shell, `. "$file"`, and by a dozen lines of anything else.
 */
import { quote } from "../launcher/quote.ts";

export type Answer =
  | { readonly kind: "ok"; readonly number: number }
  | { readonly kind: "fail"; readonly number: number; readonly code: number; readonly message: string }
  /** It is none. */
  | { readonly kind: "nonsense" };

/** Of a bad answer in a message. */
const SHOWN_CHARS_MAX = 200;
const OK = /^ok (\d{1,15})$/;
const FAIL = /^fail (\d{1,15}) (\d{1,3})(?: (.*))?$/;

export function datumLine(number: number, file: string): string {
  return `${number} ${file}\n`;
}

/** `line`: without its end. */
export function parseAnswer(line: string): Answer {
  const ok = OK.exec(line);
  if (ok !== null) return { kind: "ok", number: Number(ok[1]) };
  const [, number, code, message = ""] = FAIL.exec(line) ?? [];
  if (number === undefined || Number(code) < 1 || Number(code) > 255) return { kind: "nonsense" };
  return { kind: "fail", number: Number(number), code: Number(code), message };
}

/**
 * What is wrong with an answer, for whoever wrote the command. `out`: the number of the datum that is out, and whether it is
 * answered already. A form that is right is not shown again: the number, or the moment, is wrong.
 */
export function badAnswer(line: string, out: { readonly number: number; readonly isAnswered: boolean } | undefined) {
  const answer = parseAnswer(line);
  const said = `the command answered ${JSON.stringify(line.slice(0, SHOWN_CHARS_MAX))}`;
  if (answer.kind === "nonsense") {
    return `${said}; an answer is "ok NUMBER" or "fail NUMBER CODE MESSAGE", with a CODE of 1 to 255`;
  }
  if (out?.number === answer.number && out.isAnswered) return `${said}, and had answered that datum already`;
  const now = out === undefined ? "while it had no datum" : `while it had the datum with NUMBER ${out.number}`;
  return `${said} ${now}: answer each datum once, with the NUMBER that came with it`;
}

/** The text of the file: `KEY='value'` lines, where a value may hold newlines, and a quote in it is `'\''`. */
export function variablesFile(variables: Iterable<readonly [string, string]>): string {
  let text = "";
  for (const [name, value] of variables) if (isShellName(name)) text += `${name}=${quote(value)}\n`;
  return text;
}

/** A shell takes other names for commands. They can be had from the folder of the output: inputs lie beside it. */
function isShellName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}
