/** The control groups of the nodes, in version 1 (a tree per controller) and version 2 (one tree). */
import { existsSync, globSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = "/sys/fs/cgroup";
const GONE_MS = 10_000;
const isVersion2 = () => existsSync(join(ROOT, "cgroup.controllers"));
const trees = () => (isVersion2() ? [ROOT] : globSync(`${ROOT}/*/`));

export const groupOf = (node: number) => `sheaf-node${node}`;

export function makeGroups(node: number): void {
  // What a group of version 2 may limit is what its parent hands down.
  if (isVersion2()) writeFileSync(join(ROOT, "cgroup.subtree_control"), "+cpu +cpuset +memory +pids");
  for (const tree of trees()) mkdirSync(join(tree, groupOf(node)), { recursive: true });
  // A new group of version 1 has no processors and no memory, and would take no process.
  const cpuset = join(ROOT, "cpuset");
  if (existsSync(cpuset))
    for (const file of ["cpuset.cpus", "cpuset.mems"])
      writeFileSync(join(cpuset, groupOf(node), file), readFileSync(join(cpuset, file)));
}

/** Removes those of all nodes, or of one, as soon as their processes, which were killed, are gone. */
export async function removeGroups(node?: number): Promise<void> {
  const names = node === undefined ? "sheaf-node*" : groupOf(node);
  const end = performance.now() + GONE_MS;
  // From the innermost: a group that has groups in it cannot go.
  for (const tree of trees())
    for (const folder of globSync([`${tree}/${names}`, `${tree}/${names}/**/`]).sort((a, b) => b.length - a.length))
      while (!removed(folder)) {
        if (performance.now() > end) throw new Error(`${folder} still has processes after ${GONE_MS / 1000} s`);
        await sleep(20);
      }
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return true;
    if (code === "EBUSY") return false;
    throw error;
  }
}
