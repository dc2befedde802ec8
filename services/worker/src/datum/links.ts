/**
 * Where a symbolic link leads, step by step. Not realpath: a command that sees its files at /pfs may write links to there,
 * and /pfs is not that folder for the worker. Every step is looked at, so that no link on the way is followed unseen.
 *
 * Paths here are bytes as latin1 text: a name may be no UTF-8.
 */
import { readlinkSync } from "node:fs";

/** As the kernel has it. */
const STEPS_MAX = 40;

export type Target =
  /** No link is in the path. Nothing need be there. */
  { readonly kind: "path"; readonly path: string } | { readonly kind: "circle" };

/** `folder`: where the link `name` lies, free of links itself. `pfs`: what the command sees as `seen`, likewise. */
export function targetOf(folder: string, name: string, pfs: string, seen: readonly string[]): Target {
  let at = folder;
  const todo = [name];
  let steps = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      continue;
    }
    const link = readLink(`${at}/${part}`);
    if (link === undefined) {
      at = `${at}/${part}`;
      continue;
    }
    if (++steps > STEPS_MAX) return { kind: "circle" };
    const root = seen.find((each) => `${link}/`.startsWith(`${each}/`));
    if (link.startsWith("/")) at = root === undefined ? "" : pfs;
    todo.unshift(...link.slice(root?.length ?? 0).split("/"));
  }
  return { kind: "path", path: at === "" ? "/" : at };
}

/** What the link says; undefined: there is none at this path. */
function readLink(path: string): string | undefined {
  try {
    return readlinkSync(Buffer.from(path, "latin1"), "latin1");
  } catch {
    return undefined;
  }
}
