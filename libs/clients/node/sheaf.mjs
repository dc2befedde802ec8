/**
 * Datum batching for Sheaf: one process that takes datum after datum. Needs Node 18 and nothing else.
 *
 *     import { datums } from "./sheaf.mjs";
 *     for (const datum of datums()) writeFileSync(`${datum.out}/size`, `${statSync(datum.input).size}`);
 *
 * Going on to the next datum is success; `datum.fail(message)` is failure. An exception ends the program, which costs the
 * datum one try, and Sheaf starts the program again. The body of the loop may `await`.
 */
import { openSync, readFileSync, readSync, writeSync } from "node:fs";

const VARIABLE = /([A-Za-z_][A-Za-z0-9_]*)='([^']*(?:'\\''[^']*)*)'\n/g;

/** One datum. `env`: its variables; `input`: the file or folder of its first input; `out`: where its output goes. */
export class Datum {
  constructor(number, env) {
    this.number = number;
    this.env = env;
    this.id = env.SHEAF_DATUM_ID;
    this.input = env.SHEAF_INPUT;
    this.out = env.SHEAF_OUT;
    this.answer = `ok ${number}\n`;
  }

  /** The datum has failed. `code`: 1 to 255, as an exit code: one in accept_return_code is a success. */
  fail(message, code = 1) {
    if (!Number.isInteger(code) || code < 1 || code > 255) throw new RangeError(`code is ${code}: use 1 to 255`);
    this.answer = `fail ${this.number} ${code} ${String(message).replace(/\s+/g, " ")}\n`;
  }
}

/** The datums, one after another, as long as there are any. */
export function* datums() {
  const lines = openSync(process.env.SHEAF_DATUMS, "r");
  const results = openSync(process.env.SHEAF_RESULTS, "w");
  for (let line = readLine(lines); line !== ""; line = readLine(lines)) {
    const space = line.indexOf(" ");
    const datum = new Datum(line.slice(0, space), variables(line.slice(space + 1)));
    yield datum;
    writeSync(results, datum.answer);
  }
}

const buffer = Buffer.alloc(64 * 1024);

/** Without its end; empty at the end of all. One datum is out at a time, so that no line follows before the answer. */
function readLine(fd) {
  let line = "";
  do {
    const got = readSync(fd, buffer);
    if (got === 0) return "";
    line += buffer.toString("utf8", 0, got);
  } while (!line.endsWith("\n"));
  return line.slice(0, -1);
}

function variables(file) {
  const found = readFileSync(file, "utf8").matchAll(VARIABLE);
  return Object.fromEntries([...found].map(([, name, value]) => [name, value.replaceAll("'\\''", "'")]));
}
