import { spawnSync } from "node:child_process";
import { join } from "node:path";

export const CLI = join(import.meta.dirname, "..", "..", "services", "cli", "src", "main.ts");

/**
 * Runs a program to its end; seconds. Throws with what it said when it fails. It begins on a settled disk: else its syncs would wait
 * for what the run before it left unwritten. For the same reason every run has new folders: ext4 is several times slower to create
 * files for some seconds after many were deleted.
 */
export function timed(program: string, args: readonly string[], cwd: string): number {
  spawnSync("sync");
  const begun = performance.now();
  const { status, stderr, error } = spawnSync(program, args, { cwd, encoding: "utf8", maxBuffer: 2 ** 28 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}: ${stderr}`);
  return (performance.now() - begun) / 1_000;
}

/** `sheaf run` on a cluster of its own, start and stop included. */
export function sheafRun(cwd: string, out: string, args: readonly string[]): number {
  return timed(process.execPath, [CLI, "run", "-o", out, ...args], cwd);
}
