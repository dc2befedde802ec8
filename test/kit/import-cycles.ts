// Cycles of imports: found by walking from every file along what it imports when the code runs.
import { type SourceFile, targetOf } from "./source-tree.ts";

/** The cycles of imports that are there when the code runs, each as the path around it. */
export function importCycles(all: readonly SourceFile[]): string[] {
  const byPath = new Map(all.map((file) => [file.path, file]));
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push([...trail.slice(start), path].join(" -> "));
    if (start >= 0 || done.has(path)) return;
    for (const { specifier, typeOnly, dynamic } of byPath.get(path)?.imports ?? []) {
      const to = typeOnly || dynamic ? undefined : targetOf(path, specifier);
      if (to !== undefined) walk(to, [...trail, path]);
    }
    done.add(path);
  };
  for (const { path } of all) walk(path, []);
  return found;
}
