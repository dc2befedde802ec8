import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/** Below those that the kernel gives to connections (32768 and up): one of these may be taken before its listener comes, or while it restarts. */
const FIRST = 10_000;
const END = 32_768;

/** Loopback ports that were free a moment ago; all are held until the last is found, so they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(Array.from({ length: count }, hold));
  await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  return held.map(({ port }) => port);
}

async function hold(): Promise<{ readonly port: number; readonly server: Server }> {
  for (;;) {
    const server = createServer();
    const port = randomInt(FIRST, END);
    const isFree = await new Promise<boolean>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        error.code === "EADDRINUSE" ? resolve(false) : reject(error),
      );
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (isFree) return { port, server };
  }
}
