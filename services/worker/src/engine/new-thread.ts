import { Worker as Thread } from "node:worker_threads";

/** Of a thread's JavaScript heap. Node's own choice is several times as much, and is never given back. */
export const YOUNG_GENERATION_MB = 16;
/** Of the engine's heap. It is also how V8 knows when to collect: with Node's own 4 GiB it lets 60 MB more of what is dead stay. */
const OLD_GENERATION_MB = 1_024;

/**
 * Starts the engine's thread. It loads its modules at once, and begins with the message "open". Descriptors that it opens and gives to
 * a socket are the socket's: Node's count of them would take the next file with that number for a mistake.
 */
export function newEngineThread(): Thread {
  return new Thread(new URL("./thread.ts", import.meta.url), {
    trackUnmanagedFds: false,
    resourceLimits: { maxOldGenerationSizeMb: OLD_GENERATION_MB, maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
}
