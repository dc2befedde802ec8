import { Worker as Thread } from "node:worker_threads";

/**
 * Starts the engine's thread. It loads its modules at once, and begins with the message "open". Descriptors that it opens and gives to
 * a socket are the socket's: Node's count of them would take the next file with that number for a mistake.
 */
export function newEngineThread(): Thread {
  return new Thread(new URL("./thread.ts", import.meta.url), { trackUnmanagedFds: false });
}
