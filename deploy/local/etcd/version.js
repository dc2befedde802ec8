// Which etcd is good enough, and how to ask one. Older ones lose leases or watch events, or give stale reads after a pause.
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheRoot } from "../cache.js";
import { run } from "../child.js";

export const GOOD_VERSIONS = "3.6.14 or newer, 3.5.33 or newer of the line 3.5, 3.7.1 or newer of the line 3.7";
/** The first good patch of each line; lines after the last one named are good. */
const FIRST_GOOD = { 5: 33, 6: 14, 7: 1 };

export function isGood(version) {
  const [major, minor, patch] = version.split(/[.-]/).map(Number);
  return major === 3 && (minor > 7 || patch >= (FIRST_GOOD[minor] ?? Number.POSITIVE_INFINITY));
}

/**
 * The version of the program at `file`, or why it is none: `{ version }` or `{ fault }`. The answer is remembered by the file's size
 * and time, so that a program outside our cache is not started at every run.
 */
export async function versionOf(file) {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return { fault: "there is no such file" };
  if (!stat.isFile()) return { fault: "it is not a file" };
  const key = `${stat.size} ${stat.mtimeMs}`;
  const known = remembered()[file];
  if (known?.key === key) return { version: known.version };
  const { code, stdout, output } = await run(file, ["--version"], { timeoutMs: 10_000 });
  const version = /^etcd Version: (\d+\.\d+\.\d+\S*)/m.exec(stdout)?.[1];
  if (code === 124) return { fault: "`--version` did not end within 10 s" };
  if (version === undefined)
    return {
      fault: `\`--version\` says ${JSON.stringify(output.trim().slice(0, 200))} (exit code ${code})`,
    };
  remember(file, { key, version });
  return { version };
}

const memory = () => join(cacheRoot(), "etcd-versions.json");

function remembered() {
  try {
    return JSON.parse(readFileSync(memory(), "utf8"));
  } catch {
    return {};
  }
}

/** Two that write at once lose one answer: it is asked again then. A cache that cannot be written costs time, nothing else. */
function remember(file, answer) {
  try {
    mkdirSync(dirname(memory()), { recursive: true });
    const draft = `${memory()}.${process.pid}`;
    writeFileSync(draft, JSON.stringify({ ...remembered(), [file]: answer }));
    renameSync(draft, memory());
  } catch {
    // Asked again at the next run.
  }
}
