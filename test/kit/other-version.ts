// How a test has programs of another version: what they say of themselves is replaced when they load it, in all their threads.

import { registerHooks } from "node:module";

/** Settings of a service that takes itself for `version`, and so do the workers that it starts. */
export function ofVersion(version: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${import.meta.filename}`, TEST_VERSION: version };
}

const OURS = /(^export const VERSION = |\/\/ libs\/runtime\/src\/version\.ts\nvar VERSION = )"[^"]*"/m;
const version = process.env["TEST_VERSION"];
if (version !== undefined)
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context);
      if (!/\.mjs$|\/libs\/runtime\/src\/version\.ts$/.test(url)) return loaded;
      // A bundle says of each part from which source it is.
      return {
        ...loaded,
        source: Buffer.from(loaded.source as Uint8Array)
          .toString()
          .replace(OURS, `$1${JSON.stringify(version)}`),
      };
    },
  });
