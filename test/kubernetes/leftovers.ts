/** What of a cluster is on the machine, and a run that leaves something. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../kit/cluster.ts";

const KILLED_MS = 120_000;

/** A run that is killed while its node starts: no process of it is left, but other things are. */
export async function killedRun(images: string): Promise<void> {
  const env = { ...process.env, SHEAF_TEST_IMAGES: images };
  const run = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), "--up"], { env, stdio: "inherit" });
  const node = join(tmpdir(), "sheaf-kubernetes", "node1", "containerd.sock");
  await eventually(() => existsSync(node), "its node starts", KILLED_MS);
  run.kill("SIGKILL");
  await once(run, "exit");
  await eventually(() => processes().length === 0, "its processes are gone");
  assert.ok(leftovers().some((one) => one.includes("sheaf-nodes")));
}

/** What of a cluster is on the machine. */
export function leftovers(): string[] {
  const links = execFileSync("ip", ["-o", "link"], { encoding: "utf8" }).split("\n");
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return [
    ...links.filter((line) => line.includes("sheaf-node")),
    ...mounts.filter((line) => /sheaf-(kubernetes|node)/.test(line)),
    ...globSync(["/sys/fs/cgroup/**/sheaf-node*", join(tmpdir(), "sheaf-kubernetes"), "/run/netns/sheaf-node*"]),
    ...processes(),
  ];
}

function processes(): string[] {
  return globSync("/proc/[0-9]*/cmdline")
    .map(commandLine)
    .filter((line) => line.includes("sheaf-kubernetes/"));
}

function commandLine(file: string): string {
  try {
    return readFileSync(file, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // It has ended.
  }
}
