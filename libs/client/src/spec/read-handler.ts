/** The module of a handler, read from where the user says. Its text goes into the spec, so that any worker has it. */
import { readFileSync, statSync } from "node:fs";
import { invalidArgument, messageOf, type SheafError } from "@sheaf/runtime";

/** The contract's limit. */
const HANDLER_BYTES_MAX = 512 * 1024;
/** What would not be where the module runs: its neighbours. */
const OWN_IMPORT = /^\s*(?:import\s*|(?:import|export)\b(?!\s+type\b)[^"'`;=()]*\bfrom\s*)["'](\.{0,2}\/[^"']*)["']/m;
const MODULE = /\.[cm]?[jt]s$/;
/** No module has a text like this; a path that is none, like "handler.py" or "handler.tsx", does. */
const ONE_WORD = /^[^\s(){}=;]+$/;
/** What only Node's older kind of module has. `export` anywhere: it is the newer kind, with such code bundled in. */
const OLD_MODULE = /^(?:module\.)?exports\b/m;

/** Whether a pipeline file names a module here, and does not hold its text. */
export function isModulePath(handler: string): boolean {
  return ONE_WORD.test(handler) || (!handler.includes("\n") && MODULE.test(handler));
}

/** INVALID_ARGUMENT. `path`: absolute. */
export function readHandler(path: string): string {
  const shown = JSON.stringify(path);
  if (!MODULE.test(path)) throw refused(`the handler ${shown} is no module: its name ends in .ts, .js, .mts or .mjs`);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw refused(`the handler ${shown} does not exist`);
  if (stats.size > HANDLER_BYTES_MAX)
    throw refused(`the handler ${shown} has ${stats.size} bytes: at most ${HANDLER_BYTES_MAX} go into a pipeline`);
  const text = readOrRefuse(path, shown);
  if (text.trim() === "") throw refused(`the handler ${shown} is empty`);
  if (/\.c[jt]s$/.test(path) || (OLD_MODULE.test(text) && !/\bexport\b/.test(text)))
    throw refused(
      `the handler ${shown} is a CommonJS module: a handler is an ES module, "export default (datum) => ..."`,
    );
  const own = OWN_IMPORT.exec(text);
  if (own !== null)
    throw refused(
      `the handler ${shown} imports ${JSON.stringify(own[1])}, which does not go with it: bundle it into one file`,
    );
  return text;
}

function readOrRefuse(path: string, shown: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
  } catch (error) {
    throw refused(`cannot read the handler ${shown}: ${messageOf(error)}`);
  }
}

function refused(message: string): SheafError {
  return invalidArgument("HANDLER_UNREADABLE", message);
}
