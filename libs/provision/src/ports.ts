/** Free ports of this machine, for processes that cannot choose one and tell. */
import { createServer, type Server } from "node:net";
import { failedPrecondition } from "@sheaf/runtime";

const HOST = "127.0.0.1";

/** So many different ports that are free now. Another program may take one before it is used. */
export async function freePorts(count: number): Promise<number[]> {
  // All are held until all are found: else the same one comes twice.
  const servers = await Promise.all(Array.from({ length: count }, () => listen(0)));
  const ports = servers.map(portOf);
  await Promise.all(servers.map(close));
  return ports;
}

/** Throws FAILED_PRECONDITION (PORT_IN_USE) when a program listens there. */
export async function requireFree(port: number, purpose: string): Promise<void> {
  try {
    await close(await listen(port));
  } catch (cause) {
    throw failedPrecondition(
      "PORT_IN_USE",
      `port ${port} for ${purpose} is in use by another program; stop that one, or choose another port`,
      { metadata: { port: String(port) }, cause },
    );
  }
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host: HOST, port }, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
