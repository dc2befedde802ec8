/** Programs that only some tests need: built or installed when the first of them asks, by the set-up of this machine. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const LOCAL = join(import.meta.dirname, "..", "..", "deploy", "local");

/** Those of deploy/local. */
export type ProgramName = "chromium" | "coredns" | "grpcurl" | "kubernetes" | "kwok" | "versitygw";

/** Where it is; or, in one line, why it cannot be had. Throws when it should be possible and failed. */
export async function findProgram(name: ProgramName): Promise<{ file: string } | { cannot: string }> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(LOCAL, name, "find.js")]);
  process.stderr.write(stderr);
  return JSON.parse(stdout);
}

/**
 * The program, or undefined and a line that says why: a developer without it shall have the other tests. Not where everything must be tested
 * (CI): there it throws. `tests`: "the tests of stores in S3".
 */
export async function programFor(tests: string, name: ProgramName): Promise<string | undefined> {
  const found = await findProgram(name);
  if ("file" in found) return found.file;
  if (process.env["CI"]) throw new Error(`${tests} need ${name}: ${found.cannot}`);
  process.stderr.write(`sheaf: ${tests} are left out: ${found.cannot}\n`);
  return undefined;
}
