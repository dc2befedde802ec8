// What the API is compared with: `node bare-servers.ts echo` answers InspectJob with bare connect-node, always the same job; `static FOLDER`
// serves files. Prints the port.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fromJson } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { api } from "@sheaf/proto";

const [kind, argument = ""] = process.argv.slice(2);

function echo() {
  const answer = fromJson(api.InspectJobResponseSchema, JSON.parse(argument));
  const handler = connectNodeAdapter({
    routes: (router) => router.service(api.JobService, { inspectJob: async () => answer }),
  });
  return createHttp2(handler);
}

function files() {
  return createServer((request, response) => {
    const path = join(argument, request.url ?? "");
    response.setHeader("content-length", statSync(path).size);
    createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(response);
  });
}

const server = kind === "echo" ? echo() : files();
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
