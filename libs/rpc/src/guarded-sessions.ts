/** Connect's HTTP/2 connections, guarded. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  constants,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";

/** Bytes that may be under way: Node's 64 KiB make big downloads wait. */
const WINDOW_BYTES = 1024 * 1024;

/**
 * Two faults are kept from doing harm here.
 *
 * A GOAWAY on an idle connection makes connect 2.2.0 destroy the session with an error at a moment when it listens to
 * errors no more, and an error that nobody listens to ends the process (connect-es #1768). So somebody always listens.
 *
 * Node's `close(code)` of a stream that still sends ends it first: the server sees END_STREAM, an upload that is whole,
 * and only then RST_STREAM. So a stream that is closed with an error code does not end.
 */
export class GuardedSessions extends Http2SessionManager {
  readonly #guarded = new WeakSet<ClientHttp2Session>();

  /** `secure`: as tls.connect takes it; read with each connection. */
  constructor(url: string, secure: SecureClientSessionOptions = {}) {
    super(
      url,
      // A connection that died silently is noticed before a call is made on it, and during a long watch.
      { pingIntervalMs: 30_000, pingTimeoutMs: 10_000, idleConnectionTimeoutMs: 300_000 },
      Object.defineProperties(
        { settings: { initialWindowSize: WINDOW_BYTES } },
        Object.getOwnPropertyDescriptors(secure), // a getter stays one
      ),
    );
  }

  override async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: Omit<ClientSessionRequestOptions, "signal">,
  ): Promise<ClientHttp2Stream> {
    const stream = await super.request(method, path, headers, options);
    resetWithoutEnd(stream);
    const { session } = stream;
    if (session !== undefined && !this.#guarded.has(session as ClientHttp2Session)) {
      this.#guarded.add(session as ClientHttp2Session);
      session.on("error", () => {});
      session.setLocalWindowSize(4 * WINDOW_BYTES);
    }
    return stream;
  }
}

function resetWithoutEnd(stream: ClientHttp2Stream): void {
  const close = stream.close.bind(stream);
  stream.close = (code, callback) => {
    if (code !== undefined && code !== constants.NGHTTP2_NO_ERROR && !stream.writableEnded) stream.end = () => stream;
    close(code, callback);
  };
}
