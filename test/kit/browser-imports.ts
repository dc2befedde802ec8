// What a page loads: found by walking from the door of the client for browsers along what it imports when the code runs, as a bundler for
// browsers does.
import { dirname } from "node:path";
import { type SourceFile, targetOf } from "./source-tree.ts";

/** Globals that only Node has. */
const OF_NODE = /^(new )?(Buffer|process|require|__dirname|__filename|setImmediate|clearImmediate|global)\b/;

export interface BrowserImports {
  /** Files of ours that a page loads, in the order of the walk. */
  readonly files: readonly string[];
  /** What no browser has: `path:line: what`. */
  readonly faults: readonly string[];
}

/** `portable`: packages of others that run in a browser. `door`: where the walk begins. */
export function browserImports(
  door: string,
  sources: readonly SourceFile[],
  texts: ReadonlyMap<string, string>,
  portable: ReadonlySet<string>,
): BrowserImports {
  const byPath = new Map(sources.map((file) => [file.path, file]));
  const seen = new Set([door]);
  const faults: string[] = [];
  for (const path of seen) {
    const file = byPath.get(path);
    if (file === undefined) continue; // generated: messages of protobuf, and nothing else
    for (const { name, line } of file.uses) if (OF_NODE.test(name)) faults.push(`${path}:${line}: ${name}`);
    for (const { specifier, typeOnly, line } of file.imports) {
      if (typeOnly) continue;
      const to = targetOf(path, specifier);
      if (to !== undefined) seen.add(browserDoor(to, texts));
      else if (!portable.has(packageOf(specifier))) faults.push(`${path}:${line}: imports ${specifier}`);
    }
  }
  return { files: [...seen], faults };
}

/** The door that a package shows to browsers, for its door. */
function browserDoor(path: string, texts: ReadonlyMap<string, string>): string {
  const [, folder] = /^(libs\/[^/]+)\/src\/index\.ts$/.exec(path) ?? [];
  if (folder === undefined) return path;
  const { exports } = JSON.parse(texts.get(`${folder}/package.json`) ?? "{}");
  const door: string | undefined = exports?.["."]?.browser;
  return door === undefined ? path : `${dirname(dirname(path))}${door.slice(1)}`;
}

/** "@noble/hashes/sha2.js" is of "@noble/hashes"; "node:fs" of itself. */
function packageOf(specifier: string): string {
  return /^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)?.[0] ?? specifier;
}
