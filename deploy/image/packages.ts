/** The layer of npm packages: what the lockfile has for production, as `npm ci --omit=dev` would put it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Entry, tree } from "./entry.ts";

interface Locked {
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
}

/** Needed by who writes programs, not by programs. */
const UNUSED = /\.d\.[cm]?ts$|\.map$|^(README|CHANGELOG)\.md$/i;

export function packages(project: string): Entry[] {
  return productionPackages(readFileSync(join(project, "package-lock.json"), "utf8")).flatMap(({ path, optional }) => {
    const source = join(project, path);
    if (!existsSync(source)) {
      if (optional) return []; // One for another platform.
      throw new Error(`${path} is in package-lock.json and not on the disk: run \`npm ci\``);
    }
    return tree(join("opt/sheaf", path), source, (name) => name !== "node_modules" && !UNUSED.test(name));
  });
}

/** The packages of a lockfile that programs need when they run; workspaces are no part of it. */
export function productionPackages(lockfile: string): { path: string; optional: boolean }[] {
  const { packages } = JSON.parse(lockfile) as { packages: Record<string, Locked> };
  return Object.entries(packages)
    .filter(([path, { link, dev, devOptional }]) => path.includes("node_modules/") && !link && !dev && !devOptional)
    .map(([path, { optional = false }]) => ({ path, optional }));
}
