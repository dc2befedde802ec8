/** Free ports of this machine, for processes that cannot choose one and tell. */
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import { failedPrecondition } from "@sheaf/runtime";

const HOST = "127.0.0.1";
/**
 * Below those that the kernel gives to connections (32768 and up): one of these may be taken before its process listens, or while it is
 * started again.
 */
const FIRST = 16_000;
const END = 32_768;

/** So many different ports that are free now. Another program may take one before it is used. */
export async function freePorts(count: number, host = HOST): Promise<number[]> {
  // All are held until all are found: else the same one comes twice.
  const servers = await Promise.all(Array.from({ length: count }, () => listenAnywhere(host)));
  const ports = servers.map(portOf);
  await Promise.all(servers.map(close));
  return ports;
}

/** Throws FAILED_PRECONDITION (PORT_IN_USE) when a program listens there. */
export async function requireFree(port: number, purpose: string): Promise<void> {
  try {
    await close(await listen(port, HOST));
  } catch (cause) {
    throw failedPrecondition(
      "PORT_IN_USE",
      `port ${port} for ${purpose} is in use by another program; stop that one, or choose another port`,
      { metadata: { port: String(port) }, cause },
    );
  }
}

async function listenAnywhere(host: string): Promise<Server> {
  for (;;) {
    try {
      return await listen(randomInt(FIRST, END), host);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
}

function listen(port: number, host: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port }, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
