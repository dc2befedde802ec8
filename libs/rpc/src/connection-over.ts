/** A connection to the public API, whatever carries its calls. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { type Secret, systemClock, unimplemented } from "@sheaf/runtime";
import { type Connection, type ConnectionOptions, OpenCalls } from "./connection.ts";
import { UNARY_TIMEOUT_MS } from "./limits.ts";
import { type Carrier, callDownload, callUnary, callUpload, type PublicCaller } from "./public-call.ts";
import type { CallOptions, Client, Fields } from "./types.ts";

/** How long calls that are safe to make again are made again. */
const RETRY_MS = 5_000;

export interface CallerOptions extends ConnectionOptions {
  /**
   * For how long, in milliseconds, a call that is marked NO_SIDE_EFFECTS is made again while the server cannot be
   * reached; inside its deadline. Others never are. Default 5,000; 0: not at all.
   */
  readonly retryMs?: number;
  /** Says who calls. In plain text only to this machine. */
  readonly token?: Secret<string>;
}

/** What carries the calls of a connection. */
interface Line {
  readonly transport: Transport;
  readonly carrier: Carrier;
  /** For messages. */
  readonly address: string;
  readonly secure: boolean;
  close(): void;
}

export function connectionOver(line: Line, options: CallerOptions): Connection {
  const { clock = systemClock, timeoutMs = UNARY_TIMEOUT_MS, retryMs = RETRY_MS, token } = options;
  const { transport, carrier, address, secure } = line;
  const open = new OpenCalls();
  const headers = token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` };
  const caller = { transport, carrier, address, secure, clock, timeoutMs, retryMs, open, headers, answered: false };
  return {
    address,
    client: (service) => clientOf(service, caller),
    close: () => {
      open.cancelAll();
      line.close();
    },
  };
}

function clientOf<S extends DescService>(service: S, caller: PublicCaller): Client<S> {
  return Object.fromEntries(service.methods.map((desc) => [desc.localName, methodOf(desc, caller)])) as Client<S>;
}

function methodOf(desc: DescMethod, caller: PublicCaller): unknown {
  switch (desc.methodKind) {
    case "unary":
      return (request: Fields, options: CallOptions = {}) => callUnary(desc, request, options, caller);
    case "server_streaming":
      return (request: Fields, options: CallOptions = {}) => callDownload(desc, request, options, caller);
    case "client_streaming":
      return async (requests: AsyncIterable<Fields>, options: CallOptions = {}) => {
        if (caller.carrier === "fetch") throw noUploads(desc);
        return callUpload(desc, requests, options, caller);
      };
    case "bidi_streaming":
      return () => {
        throw unimplemented("NO_BIDI", `${desc.name}: bidirectional streams are made by grpcClient`);
      };
  }
}

function noUploads({ name }: DescMethod) {
  return unimplemented(
    "NO_UPLOADS",
    `${name}: a browser sends no stream of messages; put files with a client for Node, Python, Go or Java, or with \`sheaf file put\``,
  );
}
