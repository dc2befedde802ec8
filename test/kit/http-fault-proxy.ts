/**
 * A bad server of HTTP: a proxy that passes requests on, and does to those that a test names what servers, and the balancers before
 * them, do when they are in trouble. (fault-proxy.ts works on bytes, and knows no request.)
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";

export type HttpFault =
  /** Answers by itself, and the server hears nothing. */
  | { readonly t: "answer"; readonly status: number; readonly body?: string }
  /** Ends the connection when the head of the request has come, and takes nothing of its body. */
  | { readonly t: "cut off" }
  /** The server does it, and the answer is this one instead of its own. */
  | { readonly t: "answer after"; readonly status: number; readonly body?: string }
  /** The server does it, and the connection is cut before a byte of the answer. */
  | { readonly t: "lose the answer" }
  /** Cuts the connection after so many bytes of the answer's body; its length was announced. */
  | { readonly t: "truncate"; readonly after: number }
  /** Nothing comes after so many bytes of the answer's body, and the connection stays. */
  | { readonly t: "stall"; readonly after: number }
  /** Other bytes than those that the server sent. */
  | { readonly t: "garble" };

/** What happens to a request; undefined: nothing. */
export type Weather = (request: { readonly method: string; readonly url: string }) => HttpFault | undefined;

export class HttpFaultProxy {
  weather: Weather = () => undefined;
  /** `GET /bucket/key?...`, since the proxy was started or this was emptied. */
  requests: string[] = [];
  /** Faults that were done. */
  faults = 0;
  readonly #target: number;
  readonly #server: Server;
  #port = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((incoming, answer) => this.#pass(incoming, answer));
  }

  /** A proxy before a port of this machine. */
  static async before(target: number): Promise<HttpFaultProxy> {
    const proxy = new HttpFaultProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    const bound = proxy.#server.address();
    if (typeof bound === "object" && bound !== null) proxy.#port = bound.port;
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The fault happens to the next `times` requests that `fits`. */
  next(times: number, fits: RegExp, fault: HttpFault): void {
    let left = times;
    this.weather = ({ method, url }) => (fits.test(`${method} ${url}`) && left-- > 0 ? fault : undefined);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const { method = "", url = "", headers } = incoming;
    this.requests.push(`${method} ${url}`);
    const fault = this.weather({ method, url });
    if (fault !== undefined) this.faults++;
    if (fault?.t === "answer") {
      incoming.resume();
      incoming.on("end", () => say(answer, fault));
      return;
    }
    if (fault?.t === "cut off") {
      incoming.socket.resetAndDestroy();
      return;
    }
    const outgoing = request({ host: "127.0.0.1", port: this.#target, method, path: url, headers }, (theirs) => {
      if (fault?.t === "answer after" || fault?.t === "lose the answer") {
        theirs.resume();
        theirs.on("end", () => (fault.t === "answer after" ? say(answer, fault) : answer.destroy()));
        return;
      }
      answer.writeHead(theirs.statusCode ?? 502, theirs.headers);
      answer.flushHeaders();
      let sent = 0;
      theirs.on("data", (chunk: Buffer) => {
        if (fault?.t === "garble") chunk.fill(chunk[0] === 0 ? 1 : 0);
        const most = fault?.t === "truncate" || fault?.t === "stall" ? fault.after - sent : chunk.length;
        const piece = chunk.subarray(0, Math.max(0, most));
        sent += piece.length;
        const go = answer.write(piece);
        if (fault?.t === "truncate" && sent >= fault.after) answer.destroy();
        if (!go) {
          theirs.pause();
          answer.once("drain", () => theirs.resume());
        }
      });
      theirs.on("end", () => fault?.t !== "stall" && answer.end());
      theirs.on("error", () => answer.destroy());
    });
    outgoing.on("error", () => answer.destroy());
    answer.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  }
}

function say(answer: ServerResponse, { status, body = "" }: { readonly status: number; readonly body?: string }): void {
  const type = body.startsWith("<html>") ? "text/html" : "application/xml";
  answer.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  answer.end(body);
}
