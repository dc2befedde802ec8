import { Worker as Thread } from "node:worker_threads";

/** Starts the engine's thread. It loads its modules at once, and begins with the message "open". */
export function newEngineThread(): Thread {
  return new Thread(new URL("./thread.ts", import.meta.url));
}
