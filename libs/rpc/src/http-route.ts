/** Plain HTTP beside the RPCs of the public port: for bytes that any HTTP client shall get. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { toConnectError } from "./error-connect.ts";
import { outgoing } from "./errors.ts";
import type { CallRules } from "./invoke.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD";
  /** As it was sent, still escaped. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly header: (name: string) => string | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Left unread, and ended, when the request is a HEAD. Pieces of at most 1 MiB, each good until the next is asked for. */
  readonly body?: AsyncIterable<Uint8Array>;
}

export interface HttpRoute {
  /** "/files/". */
  readonly prefix: string;
  /** Errors leave as for RPCs in JSON. */
  readonly answer: (request: HttpRequest) => Promise<HttpAnswer>;
}

export async function answerHttp(
  route: HttpRoute,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  rules: CallRules,
): Promise<void> {
  const { method = "", url = "" } = request;
  const [path = "", query = ""] = url.split("?", 2);
  if (method !== "GET" && method !== "HEAD") {
    response.statusCode = 405;
    response.setHeader("allow", "GET, HEAD");
    response.setHeader("content-type", "text/plain");
    return void response.end(`${method} is no way to ask for this: use GET or HEAD\n`);
  }
  let body: AsyncIterator<Uint8Array> | undefined;
  try {
    const header = (name: string) => request.headers[name.toLowerCase()]?.toString();
    const answer = await route.answer({ method, path, query: new URLSearchParams(query), header });
    body = answer.body?.[Symbol.asyncIterator]();
    response.statusCode = answer.status;
    for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
    if (body !== undefined && method === "GET") await send(body, response, rules);
    response.end();
  } catch (error) {
    const told = outgoing(error, `${method} ${route.prefix}`, rules);
    // What has begun must not look whole: the connection breaks.
    if (response.headersSent) return void ("stream" in response ? response.stream.destroy() : response.destroy());
    const sent = toConnectError(told);
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    response.statusCode = codeToHttpStatus(sent.code);
    response.setHeader("content-type", "application/json");
    if (told.retryDelayMs !== undefined)
      response.setHeader("retry-after", String(Math.ceil(told.retryDelayMs / 1_000)));
    response.end(errorToJsonBytes(sent, undefined));
  } finally {
    await body?.return?.();
  }
}

/** Until the body ends or the caller is gone. A caller that does not read is cut. */
async function send(
  body: AsyncIterator<Uint8Array>,
  response: ServerResponse | Http2ServerResponse,
  { clock, unreadMs, stopping }: CallRules,
): Promise<void> {
  const over = new AbortController();
  response.once("close", () => over.abort());
  response.on("error", () => over.abort());
  const cut = () => ("stream" in response ? response.stream.destroy() : response.destroy());
  stopping.addEventListener("abort", cut, { once: true });
  try {
    for (let next = await body.next(); next.done !== true && !over.signal.aborted; next = await body.next()) {
      using _unread = clock.timer(unreadMs, cut);
      await written(response as ServerResponse, next.value, over.signal);
    }
  } finally {
    stopping.removeEventListener("abort", cut);
  }
}

/** Until the piece is with the system, and its memory free for the next one; or the caller gone. */
function written(response: ServerResponse, piece: Uint8Array, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const isOver = () => resolve();
    over.addEventListener("abort", isOver, { once: true });
    response.write(piece, () => {
      over.removeEventListener("abort", isOver);
      resolve();
    });
  });
}
