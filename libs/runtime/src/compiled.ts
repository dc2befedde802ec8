import { flushCompileCache } from "node:module";

/**
 * Writes what was compiled of this thread's modules into NODE_COMPILE_CACHE, for the next start. Node itself does so only
 * when a process ends by itself, and the services of `sheaf run` never do. Does nothing without that variable, and little
 * when all is there.
 */
export function keepCompiled(): void {
  setImmediate(() => flushCompileCache()).unref();
}
