/**
 * Gathers what a command writes to its two streams. It may write anything, and any amount: the first and the last half MiB
 * are kept, with a line between them that says what is missing. Nothing is looked at before the end, so that a flood costs
 * little; a command that writes nothing costs nothing.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { api, store } from "@sheaf/proto";
import type { Stream } from "../launcher/launcher.ts";

export interface LogLimits {
  /** Bytes kept of the begin, and as many of the end. */
  readonly halfBytes: number;
  readonly lineBytes: number;
}

const LIMITS: LogLimits = { halfBytes: 512 * 1024, lineBytes: 64 * 1024 };
// biome-ignore lint/suspicious/noControlCharactersInRegex: they must not reach anybody's terminal
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;
const LF = 0x0a;
const CR = 0x0d;

interface Chunk {
  readonly stream: Stream;
  readonly attempt: number;
  readonly wallMs: number;
  readonly bytes: Buffer;
}

export class LogCapture {
  readonly #limits: LogLimits;
  readonly #head: Chunk[] = [];
  #headBytes = 0;
  readonly #tail: Chunk[] = [];
  #tailBytes = 0;
  #droppedBytes = 0;

  constructor(limits: LogLimits = LIMITS) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#head.length === 0;
  }

  add(stream: Stream, attempt: number, wallMs: number, bytes: Buffer): void {
    const room = Math.max(0, this.#limits.halfBytes - this.#headBytes);
    const first = bytes.subarray(0, this.#tail.length > 0 ? 0 : room);
    // Copies: what is read is a part of a larger buffer, which must not live as long as the log.
    if (first.length > 0) {
      this.#head.push({ stream, attempt, wallMs, bytes: Buffer.from(first) });
      this.#headBytes += first.length;
    }
    const rest = bytes.subarray(first.length);
    if (rest.length > 0) this.#addToTail({ stream, attempt, wallMs, bytes: Buffer.from(rest) });
  }

  /** All lines in order of arrival. */
  lines(): store.LogLine[] {
    if (this.#droppedBytes === 0) return toLines([...this.#head, ...this.#tail], this.#limits.lineBytes);
    return [
      ...toLines(this.#head, this.#limits.lineBytes),
      this.#marker(),
      ...toLines(this.#tail, this.#limits.lineBytes),
    ];
  }

  #addToTail(chunk: Chunk): void {
    this.#tail.push(chunk);
    this.#tailBytes += chunk.bytes.length;
    while (this.#tailBytes > this.#limits.halfBytes) {
      const oldest = this.#tail[0] as Chunk;
      const excess = this.#tailBytes - this.#limits.halfBytes;
      const dropped = Math.min(excess, oldest.bytes.length);
      if (dropped === oldest.bytes.length) this.#tail.shift();
      else this.#tail[0] = { ...oldest, bytes: oldest.bytes.subarray(dropped) };
      this.#tailBytes -= dropped;
      this.#droppedBytes += dropped;
    }
  }

  #marker(): store.LogLine {
    const at = this.#tail[0];
    const text = `[sheaf: ${this.#droppedBytes} bytes of output are left out here; a datum's log keeps the first and the last ${this.#limits.halfBytes}]`;
    return logLine("stderr", at?.attempt ?? 1, at?.wallMs ?? 0, Buffer.from(text));
  }
}

/** The last line of standard error of an attempt, for its failure's message; empty when it wrote none. */
export function lastWordsOf(lines: readonly store.LogLine[], attempt: number): string {
  const last = lines.findLast(
    (line) => line.attempt === attempt && line.stream === api.LogStream.STDERR && line.text.some((byte) => byte > 0x20),
  );
  return last === undefined ? "" : Buffer.from(last.text).toString().replaceAll(CONTROL, " ").trim();
}

/** A line stands where its end arrived. What a stream wrote after its last line end is a line too. */
function toLines(chunks: readonly Chunk[], lineBytes: number): store.LogLine[] {
  const lines: store.LogLine[] = [];
  const open = new Map<string, Chunk>();
  for (const chunk of chunks) {
    const key = `${chunk.stream} ${chunk.attempt}`;
    const before = open.get(key)?.bytes;
    const bytes = before === undefined ? chunk.bytes : Buffer.concat([before, chunk.bytes]);
    let at = 0;
    for (let end = lineEnd(bytes, at, lineBytes); end !== undefined; end = lineEnd(bytes, at, lineBytes)) {
      lines.push(logLine(chunk.stream, chunk.attempt, chunk.wallMs, bytes.subarray(at, end.to)));
      at = end.next;
    }
    if (at < bytes.length) open.set(key, { ...chunk, bytes: bytes.subarray(at) });
    else open.delete(key);
  }
  for (const { stream, attempt, wallMs, bytes } of open.values()) lines.push(logLine(stream, attempt, wallMs, bytes));
  return lines;
}

/** Where the line that begins at `at` ends: at its LF (CR LF), or where it is too long. Undefined: not yet. */
function lineEnd(
  bytes: Buffer,
  at: number,
  lineBytes: number,
): { readonly to: number; readonly next: number } | undefined {
  const lf = bytes.indexOf(LF, at);
  if (lf >= 0 && lf - at <= lineBytes) return { to: lf > at && bytes[lf - 1] === CR ? lf - 1 : lf, next: lf + 1 };
  return bytes.length - at > lineBytes ? { to: at + lineBytes, next: at + lineBytes } : undefined;
}

function logLine(stream: Stream, attempt: number, wallMs: number, text: Uint8Array): store.LogLine {
  return create(store.LogLineSchema, {
    time: timestampFromMs(wallMs),
    stream: stream === "stdout" ? api.LogStream.STDOUT : api.LogStream.STDERR,
    attempt,
    text,
  });
}
