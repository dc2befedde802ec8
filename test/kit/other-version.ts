// How a test has programs of another version: what they say of themselves is replaced when they load it, in all their threads.

import { registerHooks } from "node:module";

/** Settings of a service that takes itself for `version`, and so do the workers that it starts. */
export function ofVersion(version: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${import.meta.filename}`, TEST_VERSION: version };
}

const version = process.env["TEST_VERSION"];
if (version !== undefined)
  registerHooks({
    load: (url, context, next) => {
      if (!url.endsWith("/libs/runtime/src/version.ts")) return next(url, context);
      const source = `export const VERSION = ${JSON.stringify(version)};`;
      return { format: "module", source, shortCircuit: true };
    },
  });
