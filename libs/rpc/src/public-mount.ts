/** Mounts handlers on connect. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { Message } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  type ContextValues,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type MethodImpl,
} from "@connectrpc/connect";
import {
  createAsyncIterable,
  type UniversalHandler,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { Peer } from "@sheaf/identity";
import { cancelled, isLoopback, SheafError } from "@sheaf/runtime";
import { browserCall } from "./browser-origins.ts";
import { toConnectError } from "./error-connect.ts";
import { outgoing } from "./errors.ts";
import { answerHttp } from "./http-route.ts";
import { type CallRules, type Origin, runDownload, runUnary, runUpload } from "./invoke.ts";
import { MESSAGE_BYTES_MAX } from "./limits.ts";
import { peerOfSocket } from "./listener.ts";
import type { MountedMethod, MountedService } from "./mount.ts";
import { refuseUnknown } from "./no-such-rpc.ts";
import { connectBidi } from "./public-bidi.ts";
import { completeFaults, fromRequestError, JSON_BODY, StrictUtf8 } from "./request-faults.ts";
import type { PublicServerOptions } from "./rpc-server.ts";

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;
/** The HTTP request of a call. */
const REQUEST = createContextKey<Request | undefined>(undefined);
const RESPONSE = createContextKey<Response | undefined>(undefined);

/** A typing error in a field name is an error, never silence. Connect takes a decoder, though its type does not say so. */
const JSON_OPTIONS = { ignoreUnknownFields: false, textDecoder: new StrictUtf8() };

export type HttpListener = (request: Request, response: Response) => void;

export interface PublicRules extends CallRules {
  /** Whether it speaks TLS. */
  readonly secure: boolean;
}

/** A request listener for both of Node's HTTP servers. Connect's own adapter writes to standard error; this one logs. */
export function publicListener(
  services: readonly MountedService[],
  rules: PublicRules,
  { routes = [], browserOrigins = [] }: Pick<PublicServerOptions, "routes" | "browserOrigins"> = {},
): HttpListener {
  const handlers = handlersByPath(services, rules);
  return (request, response) => {
    if (!rules.secure && !isLocalName(request))
      return refuse(response, 421, "this server answers under 127.0.0.1 and localhost only");
    const browser = browserCall(request, response, browserOrigins);
    if (browser === "foreign") return refuse(response, 403, "pages of this origin may not call (--browser-origins)");
    if (browser === "answered") return;
    const path = request.url?.split("?", 1)[0] ?? "";
    const route = routes.find(({ prefix }) => path.startsWith(prefix));
    if (route !== undefined) return void answerHttp(route, request, response, rules);
    const handler = handlers.get(path);
    if (handler === undefined) return refuseUnknown(response, path, request.headers["content-type"] ?? "");
    void serve(handler, request, response).catch((error: unknown) => {
      // The answer could not be delivered: the caller left. What handlers throw went out as an answer.
      rules.log.debug({ err: error, method: path }, "an answer was not delivered");
    });
  };
}

function handlersByPath(services: readonly MountedService[], rules: CallRules): Map<string, UniversalHandler> {
  const router = createConnectRouter({
    readMaxBytes: MESSAGE_BYTES_MAX,
    writeMaxBytes: MESSAGE_BYTES_MAX,
    jsonOptions: JSON_OPTIONS,
    // Requests may be compressed. Answers never are: it would only cost time on the way to this machine.
    acceptCompression: [compressionGzip],
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    requestGate: completeFaults,
  });
  for (const { methods } of services) for (const method of methods) mount(router, method, rules);
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

async function serve(handler: UniversalHandler, request: Request, response: Response): Promise<void> {
  const values = createContextValues().set(REQUEST, request).set(RESPONSE, response);
  const asked = universalRequestFromNodeRequest(request, response, undefined, values);
  const answer = await handler(isJson(request) ? { ...asked, body: noted(asked.body, values) } : asked);
  const why = wordless(answer, handler, request);
  await universalResponseToNodeResponse(why === undefined ? answer : { ...answer, ...why }, response);
}

/** Connect refuses a method and a content type without a word, and whoever tries the API with curl would see nothing at all. */
function wordless({ status, body }: UniversalServerResponse, handler: UniversalHandler, request: Request) {
  if (body !== undefined || request.method === "HEAD") return undefined;
  const type = request.headers["content-type"];
  if (status === 405) {
    return inWords(`${request.method} is no way to call this RPC: use ${handler.allowedMethods.join(" or ")}`);
  }
  if (status !== 415) return undefined;
  const given =
    request.method === "GET"
      ? "a GET needs ?connect=v1&encoding=json&message={}"
      : `content-type is ${type ?? "missing"}`;
  const json = handler.method.methodKind === "unary" ? "application/json" : "application/connect+json (it streams)";
  return inWords(`${given.slice(0, 200)}: use ${json}, or what gRPC and gRPC-Web use`);
}

function inWords(why: string) {
  return {
    header: new Headers({ "content-type": "text/plain" }),
    body: createAsyncIterable([new TextEncoder().encode(`${why}\n`)]),
  };
}

function isJson(request: Request): boolean {
  return request.headers["content-type"]?.startsWith("application/json") === true;
}

/** The same body, kept as far as it may come: it is looked into when it is refused. */
async function* noted(body: UniversalServerRequest["body"], values: ContextValues) {
  const kept: Uint8Array[] = [];
  values.set(JSON_BODY, kept);
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    kept.push(chunk);
    yield chunk;
  }
}

/**
 * A web page can make a browser call this machine under a name of its own that resolves to 127.0.0.1 (DNS
 * rebinding); the name shows in the Host header. With TLS a browser refuses that itself: the certificate is for another name.
 */
function isLocalName(request: Request): boolean {
  const authority = request.headers[":authority"] ?? request.headers.host;
  if (typeof authority !== "string") return false;
  return isLoopback(authority.replace(/:\d*$/, ""));
}

function refuse(response: Response, status: number, why: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "text/plain");
  response.end(`${why}\n`);
}

function mount(router: ConnectRouter, method: MountedMethod, rules: CallRules): void {
  router.rpc(method.desc, implementation(method, rules) as MethodImpl<typeof method.desc>);
}

function implementation(method: MountedMethod, rules: CallRules): unknown {
  const { handler } = method;
  switch (handler.kind) {
    case "unary":
      return (request: Message, context: HandlerContext) =>
        answer(runUnary(method, handler.fn, request, originOf(context), rules), method, rules);
    case "client_streaming":
      return (requests: AsyncIterable<Message>, context: HandlerContext) =>
        answer(runUpload(method, handler.fn, whole(requests, context), originOf(context), rules), method, rules);
    case "server_streaming":
      return (request: Message, context: HandlerContext) =>
        answers(runDownload(method, handler.fn, request, originOf(context), rules), method, rules);
    case "bidi_streaming":
      return (requests: AsyncIterable<Message>, context: HandlerContext) =>
        answers(connectBidi(method, handler.fn, requests, originOf(context), rules), method, rules);
  }
}

/**
 * An upload that throws when the peer broke it off. Node ends the body of a request whose HTTP/2 stream was reset as if it
 * were complete, and connect passes that on: half an upload would look like a whole one. Clients that are made with Node
 * even send an end just before the reset (see guarded-sessions.ts): the turn of the event loop lets the reset arrive.
 */
async function* whole(requests: AsyncIterable<Message>, context: HandlerContext) {
  yield* requests;
  await new Promise((resolve) => setImmediate(resolve));
  const request = context.values.get(REQUEST);
  const aborted = request !== undefined && "stream" in request ? request.stream.aborted : request?.complete === false;
  if (aborted) throw cancelled("UPLOAD_BROKEN", "the upload broke off");
}

async function answer(promise: Promise<Message>, method: MountedMethod, rules: CallRules): Promise<Message> {
  try {
    return await promise;
  } catch (error) {
    throw wireError(error, method, rules);
  }
}

async function* answers(messages: AsyncIterable<Message>, method: MountedMethod, rules: CallRules) {
  try {
    yield* messages;
  } catch (error) {
    throw wireError(error, method, rules);
  }
}

function wireError(error: unknown, { path }: MountedMethod, rules: CallRules) {
  return toConnectError(error instanceof SheafError ? error : outgoing(error, path, rules));
}

/** Connect's own signal is aborted for a deadline too, and after every call; the rules have a deadline of their own. */
function originOf(context: HandlerContext): Origin {
  const gone = new AbortController();
  const onAbort = () => {
    const why = fromRequestError(context.signal.reason);
    gone.abort(
      why?.code === "DEADLINE_EXCEEDED" ? why : cancelled("CALLER_GONE", "the caller went away or called it off"),
    );
  };
  if (context.signal.aborted) onAbort();
  else context.signal.addEventListener("abort", onAbort, { once: true });
  return {
    gone: gone.signal,
    timeoutMs: context.timeoutMs(),
    header: (name) => context.requestHeader.get(name) ?? undefined,
    peer: peerOfRequest(context.values.get(REQUEST)),
    cut: () => {
      const response = context.values.get(RESPONSE);
      if (response === undefined) return;
      if ("stream" in response) response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      else response.destroy();
      onAbort();
    },
  };
}

/** By connection: to read a certificate costs more than most calls. */
const PEERS = new WeakMap<object, { readonly peer: Peer | undefined }>();

function peerOfRequest(request: Request | undefined): Peer | undefined {
  const connection = request === undefined ? undefined : "stream" in request ? request.stream.session : request.socket;
  if (request === undefined || connection === undefined) return undefined;
  let known = PEERS.get(connection);
  if (known === undefined) {
    known = { peer: peerOfSocket(request.socket) };
    PEERS.set(connection, known);
  }
  return known.peer;
}
