// The commands in the READMEs of examples/, as they stand there, one after another on one cluster.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Cli } from "../kit/cli.ts";

const PROJECT = join(import.meta.dirname, "..", "..");
const PROGRAM = join(PROJECT, "services", "cli", "src", "main.ts");
/** Of an example with a pipeline: its indented lines are commands. */
const READMES = globSync(join(PROJECT, "examples", "*", "pipeline.*"))
  .map((file) => join(dirname(file), "README.md"))
  .sort();

let folder: string;
let dev: Cli;
let address = "";
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "sheaf-examples-"));
  // What a user sees in the folder of the repository, in one where results may be left.
  for (const name of ["examples", "libs"]) symlinkSync(join(PROJECT, name), join(folder, name));
  // `npx sheaf` is this program, whatever npm would find.
  const npx = join(folder, "bin", "npx");
  mkdirSync(dirname(npx));
  writeFileSync(npx, `#!/bin/sh\nshift\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
  chmodSync(npx, 0o755);
  dev = new Cli(["dev", "--port", "0"], { cwd: folder });
  [address = ""] = await dev.says(/127\.0\.0\.1:\d+/);
});
after(async () => {
  dev.child.kill("SIGINT");
  await dev.end;
  rmSync(folder, { recursive: true, force: true });
});

function commandsOf(readme: string): string {
  const lines = readFileSync(readme, "utf8").split("\n");
  return lines.filter((line) => line.startsWith("    ")).join("\n");
}

/** "code: output": the shell ends with the first line that fails. */
function inShell(script: string): Promise<string> {
  const PATH = `${join(folder, "bin")}${delimiter}${process.env["PATH"]}`;
  const env = { ...process.env, PATH, SHEAF_ADDRESS: address };
  const shell = spawn("sh", ["-ec", script], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on("data", (text) => {
      said += text;
    });
  }
  return new Promise((resolve) => shell.on("close", (code) => resolve(`${code}: ${said}`)));
}

describe("examples/", () => {
  for (const readme of READMES) {
    const name = basename(dirname(readme));
    it(`${name}: its commands run as they stand`, async () => {
      // In a list of && only the last command's failure ends the shell.
      const script = commandsOf(readme).replaceAll(" && ", "\n");
      assert.match(script, /npx sheaf job wait/);
      const end = await inShell(script);
      assert.match(end, /^0: /, end);
      assert.match(end, / has succeeded: [1-9]\d* datums/, end);
    });
  }
});
