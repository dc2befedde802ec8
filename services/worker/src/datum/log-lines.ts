/**
 * Cuts what arrives of two streams into lines. A line stands where its end arrived, and the same bytes make the same lines in however
 * many pieces they come, so that who reads along sees what will be stored. What is kept of open lines is at most one of them per stream.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { api, store } from "@sheaf/proto";
import type { Stream } from "../launcher/launcher.ts";

const LF = 0x0a;
const CR = 0x0d;

/** Bytes of one stream, as they were read. */
export interface Chunk {
  readonly stream: Stream;
  readonly attempt: number;
  readonly wallMs: number;
  /** Bytes of both streams that came before. */
  readonly at: number;
  readonly bytes: Buffer;
}

export class LineCutter {
  readonly #lineBytes: number;
  readonly #open = new Map<Stream, Chunk>();
  #lastEnd = 0;

  /** `lineBytes`: a longer line is cut into several. */
  constructor(lineBytes: number) {
    this.#lineBytes = lineBytes;
  }

  /** The lines that are over with this chunk. */
  add(chunk: Chunk): store.LogLine[] {
    const { stream, attempt, wallMs } = chunk;
    // A try that ended without a line end.
    const lines = [...this.#open.values()].some((open) => open.attempt !== attempt) ? this.rest(chunk.at) : [];
    const before = this.#open.get(stream)?.bytes;
    const bytes = before === undefined ? chunk.bytes : Buffer.concat([before, chunk.bytes]);
    const base = chunk.at - (before?.length ?? 0);
    let at = 0;
    for (let end = this.#lineEnd(bytes, at); end !== undefined; end = this.#lineEnd(bytes, at)) {
      lines.push(logLine({ stream, attempt, wallMs, bytes: bytes.subarray(at, end.to) }, this.#end(base + end.known)));
      at = end.next;
    }
    if (at < bytes.length) this.#open.set(stream, { ...chunk, bytes: bytes.subarray(at) });
    else this.#open.delete(stream);
    return lines;
  }

  /** Nothing more comes, or from `total` bytes on nothing that belongs to what came: what has no line end is a line too. */
  rest(total: number): store.LogLine[] {
    // In an order that does not depend on the pieces.
    const open = (["stdout", "stderr"] as const).flatMap((stream) => this.#open.get(stream) ?? []);
    const lines = open.map((each) => logLine(each, this.#end(total + 1)));
    this.#open.clear();
    return lines;
  }

  /** Each is above the one before: what had no line end is over with a byte that may end a line itself. */
  #end(bytes: number): number {
    this.#lastEnd = Math.max(bytes, this.#lastEnd + 1);
    return this.#lastEnd;
  }

  /** Where the line that begins at `at` ends: at its LF (CR LF), or where it is too long. `known`: bytes after which that is known. */
  #lineEnd(
    bytes: Buffer,
    at: number,
  ): { readonly to: number; readonly next: number; readonly known: number } | undefined {
    const limit = at + this.#lineBytes;
    const lf = bytes.indexOf(LF, at);
    if (lf >= 0 && lf <= limit) {
      return { to: lf > at && bytes[lf - 1] === CR ? lf - 1 : lf, next: lf + 1, known: lf + 1 };
    }
    return bytes.length > limit ? { to: limit, next: limit, known: limit + 1 } : undefined;
  }
}

/** `end`: see LogLine.end. */
export function logLine(
  { stream, attempt, wallMs, bytes }: Pick<Chunk, "stream" | "attempt" | "wallMs" | "bytes">,
  end: number,
): store.LogLine {
  return create(store.LogLineSchema, {
    time: timestampFromMs(wallMs),
    stream: stream === "stdout" ? api.LogStream.STDOUT : api.LogStream.STDERR,
    attempt,
    text: bytes,
    end: BigInt(end),
  });
}
