/** The answer to a path that is no RPC, in the words of the protocol that the caller speaks. */
import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { unimplemented } from "@sheaf/runtime";
import { toConnectError } from "./error-connect.ts";

export function refuseUnknown(response: ServerResponse | Http2ServerResponse, path: string, contentType: string): void {
  const error = toConnectError(unimplemented("RPC_UNKNOWN", `there is no RPC ${JSON.stringify(path.slice(0, 200))}`));
  response.setHeader("content-type", contentType);
  if (contentType.startsWith("application/grpc")) {
    // Headers that are trailers as well: the form in which gRPC refuses a call outright.
    const trailers = new Headers();
    setTrailerStatus(trailers, error);
    response.statusCode = 200;
    trailers.forEach((value, name) => void response.setHeader(name, value));
    response.end();
  } else if (/^application\/(json|proto|connect)/.test(contentType)) {
    response.statusCode = 404;
    response.setHeader("content-type", "application/json");
    response.end(errorToJsonBytes(error, undefined));
  } else {
    response.statusCode = 404;
    response.setHeader("content-type", "text/plain");
    response.end("no such RPC\n");
  }
}
