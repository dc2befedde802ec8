/** Which protocol a new plaintext connection speaks. */
import type { Socket } from "node:net";
import type { Clock } from "@sheaf/runtime";

/** Every HTTP/2 connection begins with this; no HTTP/1.1 method does. */
const HTTP2_PREFACE = Buffer.from("PRI");

/**
 * Reads as little as tells, and puts it back. "silent": nothing came in time, or the peer went away. The socket is handed
 * on paused in its buffer: whoever takes it reads from the first byte.
 */
export async function firstBytes(socket: Socket, limitMs: number, clock: Clock): Promise<"http1" | "http2" | "silent"> {
  const { promise, resolve } = Promise.withResolvers<"http1" | "http2" | "silent">();
  let seen = Buffer.alloc(0);
  const onReadable = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    if (seen.length >= HTTP2_PREFACE.length) resolve(isPreface(seen) ? "http2" : "http1");
    // A first packet of one or two bytes: rare, and enough unless it may become the preface.
    else if (!HTTP2_PREFACE.subarray(0, seen.length).equals(seen)) resolve("http1");
  };
  const onClose = () => resolve("silent");
  socket.on("readable", onReadable);
  socket.once("close", onClose);
  socket.once("end", onClose);
  using _timer = clock.timer(limitMs, () => resolve("silent"));
  try {
    return await promise;
  } finally {
    socket.off("readable", onReadable);
    socket.off("close", onClose);
    socket.off("end", onClose);
    if (seen.length > 0) socket.unshift(seen);
  }
}

function isPreface(chunk: Buffer): boolean {
  return chunk.subarray(0, HTTP2_PREFACE.length).equals(HTTP2_PREFACE);
}
