/** Free ports of this machine, for processes that cannot choose one and tell. */
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import { failedPrecondition, invalidArgument } from "@sheaf/runtime";

const HOST = "127.0.0.1";
const TRIES_MAX = 10_000;
/**
 * Below those that the kernel gives to connections (32768 and up): one of these may be taken before its process listens, or while it is
 * started again.
 */
const RANGE: PortRange = { first: 16_000, last: 32_767 };

interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * So many different ports of `range` (SHEAF_PORTS) that are free now. Another program may take one before it is used; who starts several
 * clusters at a time gives each a range of its own.
 */
export async function freePorts(
  count: number,
  host = HOST,
  range = portRange(process.env["SHEAF_PORTS"]),
): Promise<number[]> {
  // All are held until all are found: else the same one comes twice.
  const servers = await Promise.all(Array.from({ length: count }, () => listenAnywhere(host, range)));
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

/** "16000-20000", both included. Throws PORTS_INVALID. */
export function portRange(text: string | undefined): PortRange {
  if (text === undefined || text === "") return RANGE;
  const [, first = 0, last = 0] = (/^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []).map(Number);
  if (first >= 1 && first <= last && last <= 65_535) return { first, last };
  throw invalidArgument("PORTS_INVALID", `SHEAF_PORTS "${text}" is no range of ports: write it like 16000-20000`);
}

async function listenAnywhere(host: string, { first, last }: PortRange): Promise<Server> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    try {
      return await listen(randomInt(first, last + 1), host);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
  throw failedPrecondition(
    "NO_PORTS",
    `no free port from ${first} to ${last} was found: stop a program, or give another range in SHEAF_PORTS`,
  );
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
