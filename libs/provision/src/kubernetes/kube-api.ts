/**
 * The Kubernetes API as what is needed of it: one call with a deadline, and a watch. Who we are and where the API server is
 * comes from KUBECONFIG or from the pod that we run in, read by @kubernetes/client-node, which also reads rotated tokens anew.
 * Its own informer and watch stop silently when a connection breaks, and its typed lists cost a millisecond a pod: so the
 * requests are ours.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { messageOf } from "@sheaf/runtime";
import { type LineEnd, readLines } from "./lines.ts";

export interface KubeRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** What became of a call. Nothing is thrown. */
export type Answer =
  | { readonly kind: "ok"; readonly body: unknown }
  | Refused
  /** Whether it was done is not known. */
  | { readonly kind: "unreachable"; readonly why: string };

export interface Refused {
  readonly kind: "refused";
  readonly status: number;
  /** Kubernetes' own word: "AlreadyExists", "Forbidden". */
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export type WatchEnd = LineEnd | Refused;

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** It is cut after this, whatever the server does. */
  readonly timeoutMs: number;
  readonly onEvent: (event: unknown) => void;
}

export interface KubeApi {
  call(request: KubeRequest, signal: AbortSignal): Promise<Answer>;
  /** Resolves when the stream is over. */
  watch(path: string, query: Readonly<Record<string, string>>, options: WatchOptions): Promise<WatchEnd>;
  close(): void;
}

const CALL_MS = 15_000;
/** A page of 500 pods has some 5 MB. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** etcd takes no larger object than 1.5 MB. */
const LINE_BYTES_MAX = 4 * 1024 * 1024;
/** Connections: two watches, and what the pace allows at a time. */
const SOCKETS_MAX = 24;
const IDLE_MS = 30_000;

/** `load` is called with the first request, and again when it failed. */
export function kubeApi(load: () => Promise<KubeConfig>): KubeApi {
  return new HttpKubeApi(load);
}

class HttpKubeApi implements KubeApi {
  readonly #load: () => Promise<KubeConfig>;
  readonly #agents = {
    http: new HttpAgent({ keepAlive: true, maxSockets: SOCKETS_MAX, timeout: IDLE_MS }),
    https: new HttpsAgent({ keepAlive: true, maxSockets: SOCKETS_MAX, timeout: IDLE_MS }),
  };
  #config: KubeConfig | undefined;

  constructor(load: () => Promise<KubeConfig>) {
    this.#load = load;
  }

  async call(request: KubeRequest, signal: AbortSignal): Promise<Answer> {
    try {
      const response = await this.#send(request, AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]));
      const text = await readAll(response);
      const body: unknown = JSON.parse(text);
      return isOk(response) ? { kind: "ok", body } : refused(response, body);
    } catch (error) {
      return { kind: "unreachable", why: whyOf(error) };
    }
  }

  async watch(path: string, query: Readonly<Record<string, string>>, options: WatchOptions): Promise<WatchEnd> {
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
    try {
      const response = await this.#send({ method: "GET", path, query: { ...query, watch: "true" } }, signal);
      if (!isOk(response)) return refused(response, JSON.parse(await readAll(response)));
      return await readLines(response, LINE_BYTES_MAX, options.onEvent);
    } catch (error) {
      return { kind: "broken", why: whyOf(error) };
    }
  }

  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  async #send({ method, path, query = {}, body }: KubeRequest, signal: AbortSignal): Promise<IncomingMessage> {
    this.#config ??= await this.#load();
    const server = this.#config.getCurrentCluster()?.server ?? "";
    if (!URL.canParse(server)) throw new Error(`the kubeconfig names no server: "${server}"`);
    const base = new URL(server);
    const url = new URL(base.pathname.replace(/\/$/, "") + path, base);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      accept: "application/json",
      // Node frames the body of a DELETE only when its length is given.
      ...(text !== undefined && {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(text)),
      }),
    };
    const options: RequestOptions & { headers: Record<string, string> } = { method, signal, headers };
    await this.#config.applyToHTTPSOptions(options);
    // Its agent opens a connection for each request, unless there is a proxy to go through.
    const isSecure = url.protocol === "https:";
    if (!this.#config.getCurrentCluster()?.proxyUrl) options.agent = isSecure ? this.#agents.https : this.#agents.http;
    return await new Promise((resolve, reject) => {
      const request = (isSecure ? httpsRequest : httpRequest)(url, options, resolve);
      request.once("error", reject);
      request.end(text);
    });
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function isOk({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

/** Kubernetes says why in a Status object; a proxy in front of it may not. */
function refused({ statusCode = 0, headers }: IncomingMessage, body: unknown): Refused {
  const { reason = "", message = "" } = (typeof body === "object" && body !== null ? body : {}) as {
    readonly reason?: unknown;
    readonly message?: unknown;
  };
  const seconds = Number(headers["retry-after"]);
  return {
    kind: "refused",
    status: statusCode,
    reason: String(reason),
    message: String(message),
    retryAfterMs: Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) * 1_000 : undefined,
  };
}

function whyOf(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") return "it did not answer in time";
  if (error instanceof SyntaxError) return "its answer is no JSON";
  const cause = error instanceof AggregateError ? error.errors[0] : error; // one for each address that was tried
  return messageOf(cause);
}
