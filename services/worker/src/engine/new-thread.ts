import { Worker as Thread } from "node:worker_threads";

/** Starts the engine's thread. It loads its modules at once, and begins with the message "open". */
export function newEngineThread(): Thread {
  // Node would close what the thread has opened and, as it believes, not closed. It does not see that a Socket closes the
  // descriptor of a FIFO, and by then its number may be that of a file of somebody else.
  return new Thread(new URL("./thread.ts", import.meta.url), { trackUnmanagedFds: false });
}
