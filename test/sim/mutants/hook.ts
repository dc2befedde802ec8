/** Loads modules with texts replaced: a mutant without a flag in the product. */
import { registerHooks } from "node:module";
import type { Replacement } from "./table.ts";

/** From now on, in this thread. Gives the replacements that did not find their text exactly once, so far. */
export function replaceOnLoad(replacements: readonly Replacement[]): () => Replacement[] {
  const done = new Set<Replacement>();
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const mine = replacements.filter(({ file }) => url.endsWith(`/${file}`));
      if (mine.length === 0) return loaded;
      let source = String(loaded.source);
      for (const replacement of mine) {
        const parts = source.split(replacement.from);
        if (parts.length !== 2) continue;
        source = parts.join(replacement.to);
        done.add(replacement);
      }
      return { ...loaded, source };
    },
  });
  return () => replacements.filter((replacement) => !done.has(replacement));
}
