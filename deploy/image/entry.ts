/** What lies in an image: the entries of its layers. Nothing of the machine that packs them (owners, times, umask) goes in. */
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

export type Entry =
  | { readonly kind: "folder"; readonly path: string; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  /** `content` is the bytes themselves, `source` the file that has them. */
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly content: Buffer }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly source: string };

export const folder = (path: string, mode = 0o755): Entry => ({ kind: "folder", path, mode });
export const link = (path: string, target: string): Entry => ({ kind: "link", path, target });
export const copy = (path: string, source: string, mode = 0o644): Entry => ({ kind: "file", path, mode, source });
export const text = (path: string, content: string, mode = 0o644): Entry => ({
  kind: "file",
  path,
  mode,
  content: Buffer.from(content),
});

/** Everything below a folder of this machine that `wanted` lets in, as it shall lie below `path`; links stay links. */
export function tree(path: string, source: string, wanted: (name: string, source: string) => boolean): Entry[] {
  return readdirSync(source).flatMap((name): Entry[] => {
    const [to, from] = [join(path, name), join(source, name)];
    if (!wanted(name, from)) return [];
    const stat = lstatSync(from);
    if (stat.isDirectory()) return [folder(to, stat.mode & 0o1000 ? 0o1777 : 0o755), ...tree(to, from, wanted)];
    if (stat.isSymbolicLink()) return [link(to, readlinkSync(from))];
    return [copy(to, from, stat.mode & 0o100 ? 0o755 : 0o644)];
  });
}

/** The entries in order, with the folders that they lie in. Of two with one path, the later. */
export function complete(entries: readonly Entry[]): Entry[] {
  const byPath = new Map<string, Entry>();
  for (const { path } of entries) for (const parent of parents(path)) byPath.set(parent, folder(parent));
  for (const entry of entries) byPath.set(entry.path, entry);
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Writes entries into a folder of this machine. */
export function writeFolder(entries: readonly Entry[], folder: string): void {
  for (const entry of complete(entries)) {
    const path = join(folder, entry.path);
    if (entry.kind === "link") {
      symlinkSync(entry.target, path);
      continue;
    }
    if (entry.kind === "folder") mkdirSync(path, { recursive: true });
    else if ("content" in entry) writeFileSync(path, entry.content);
    else copyFileSync(entry.source, path);
    chmodSync(path, entry.mode); // Whatever the umask is.
  }
}

function parents(path: string): string[] {
  const parent = dirname(path);
  return parent === "." ? [] : [...parents(parent), parent];
}
