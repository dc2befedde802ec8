/**
 * One cluster with nodes at a time on a machine: they share its control groups and the names of its network. Whose turn it is, a
 * socket says that only one process can listen at: the kernel gives it back when that process ends, however it does.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** In no folder: an abstract name. */
const CLUSTER = "\0sheaf-test-cluster";
const PATIENCE_MS = 5 * 60_000;
/** Who waits for us: they hear that their connection ends. */
const waiting = new Set<Socket>();

/** Waits while another one runs, at most five minutes. Returns how to let the next one go. */
export async function takeTurn(name = CLUSTER): Promise<() => void> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    const server = await listen(name);
    if (server !== undefined) return () => release(server);
    await otherEnds(name, patience);
  }
}

function release(server: Server): void {
  server.close();
  for (const asker of waiting) asker.destroy();
}

/** Tells whoever asks which process this is; or undefined: another one listens. */
function listen(name: string): Promise<Server | undefined> {
  const server = createServer((asker) => {
    asker.on("error", () => {}).on("close", () => waiting.delete(asker));
    asker.unref().write(`${process.pid}`);
    waiting.add(asker);
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      "code" in error && error.code === "EADDRINUSE" ? resolve(undefined) : reject(error),
    );
    server.listen(name, () => resolve(server.unref()));
  });
}

/** Resolves when the process that listens has ended, or has let go. */
async function otherEnds(name: string, patience: AbortSignal): Promise<void> {
  const other = connect(name);
  other.on("error", () => {}); // It has just ended.
  other.setEncoding("utf8").once("data", (pid) => {
    process.stderr.write(`sheaf: waiting: another test cluster runs on this machine (process ${pid}), one at a time\n`);
  });
  const tooLong = `another test cluster has run for ${PATIENCE_MS / 60_000} minutes: end it, then run again`;
  await new Promise<void>((resolve, reject) => {
    other.once("close", () => (patience.aborted ? reject(new Error(tooLong)) : resolve()));
    patience.addEventListener("abort", () => other.destroy());
  });
}
