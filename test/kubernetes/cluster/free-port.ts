import { createServer } from "node:net";

/** A port that was free a moment ago at an address of this machine. */
export function freePort(host: string): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(0, host, () => {
      const at = server.address();
      server.close(() => resolve(at !== null && typeof at === "object" ? at.port : 0));
    });
  });
}
