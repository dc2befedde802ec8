/**
 * Gathers what a command writes to its two streams. It may write anything, and any amount: the first and the last half MiB
 * are kept, with a line between them that says what is missing. Nothing is looked at before the end, or before somebody follows, so that
 * a flood costs little; a command that writes nothing costs nothing.
 */
import { api, type store } from "@sheaf/proto";
import type { Stream } from "../launcher/launcher.ts";
import { type Chunk, LineCutter, logLine } from "./log-lines.ts";

export interface LogLimits {
  /** Bytes kept of the begin, and as many of the end. */
  readonly halfBytes: number;
  readonly lineBytes: number;
}

const LIMITS: LogLimits = { halfBytes: 512 * 1024, lineBytes: 64 * 1024 };
/** Small pieces that come within so long are kept as one, with the time of the first: each costs memory beyond its bytes. */
const JOIN_MS = 10;
const JOIN_BYTES = 4 * 1024;
/** Bytes that are cut into lines at a time. */
const STEP_BYTES = 4 * 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they must not reach anybody's terminal
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;

let count = 0;

export class LogCapture {
  /** Tells it from the other logs of this worker. */
  readonly number = ++count;
  readonly #limits: LogLimits;
  readonly #head: Chunk[] = [];
  #headBytes = 0;
  readonly #tail: Chunk[] = [];
  #tailBytes = 0;
  #bytes = 0;

  constructor(limits: LogLimits = LIMITS) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Of both streams, those that are left out among them. */
  get bytes(): number {
    return this.#bytes;
  }

  add(stream: Stream, attempt: number, wallMs: number, bytes: Buffer): void {
    const at = this.#bytes;
    this.#bytes += bytes.length;
    const room = this.#tail.length > 0 ? 0 : Math.max(0, this.#limits.halfBytes - this.#headBytes);
    // Of a flood only the end can stay: the rest is not even copied.
    const from = Math.max(room, bytes.length - this.#limits.halfBytes);
    const [first, rest] = [bytes.subarray(0, room), bytes.subarray(from)];
    if (first.length > 0) {
      keep(this.#head, { stream, attempt, wallMs, at, bytes: first });
      this.#headBytes += first.length;
    }
    if (rest.length === 0) return;
    keep(this.#tail, { stream, attempt, wallMs, at: at + from, bytes: rest });
    this.#tailBytes += rest.length;
    this.#fitTail();
  }

  /** All lines in order of arrival; a few at a time, because a line is many times larger than its bytes. */
  *lines(): Generator<store.LogLine, void, void> {
    const reader = this.read();
    while (reader.behind > 0) yield* reader.next(STEP_BYTES);
    yield* reader.rest();
  }

  /** Reads along from the begin. Any number of readers may do so; each costs an open line per stream. */
  read(): LogReader {
    return new LogReader(this, this.#limits);
  }

  /** What is kept from `at` on, up to `limit` bytes; it may begin later, when what came between is left out. */
  *from(at: number, limit: number): Generator<Chunk, void, void> {
    let left = limit;
    for (const half of [this.#head, this.#tail]) {
      for (let i = at === 0 ? 0 : firstAfter(half, at); i < half.length && left > 0; i++) {
        const chunk = half[i] as Chunk;
        const skipped = Math.max(0, at - chunk.at);
        const bytes = chunk.bytes.subarray(skipped, skipped + left);
        left -= bytes.length;
        yield { ...chunk, at: chunk.at + skipped, bytes };
      }
    }
  }

  #fitTail(): void {
    let gone = 0;
    let excess = this.#tailBytes - this.#limits.halfBytes;
    while (excess > 0) {
      const oldest = this.#tail[gone] as Chunk;
      const dropped = Math.min(excess, oldest.bytes.length);
      if (dropped === oldest.bytes.length) gone++;
      else this.#tail[gone] = { ...oldest, at: oldest.at + dropped, bytes: oldest.bytes.subarray(dropped) };
      excess -= dropped;
      this.#tailBytes -= dropped;
    }
    if (gone > 0) this.#tail.splice(0, gone);
  }
}

/** Where somebody is who reads a log while it grows. */
export class LogReader {
  readonly #log: LogCapture;
  readonly #limits: LogLimits;
  readonly #cutter: LineCutter;
  #at = 0;

  constructor(log: LogCapture, limits: LogLimits) {
    this.#log = log;
    this.#limits = limits;
    this.#cutter = new LineCutter(limits.lineBytes);
  }

  /** Bytes that came so far and were not read. */
  get behind(): number {
    return this.#log.bytes - this.#at;
  }

  /** The lines that are over within the next `limit` bytes; where bytes are left out, a line says so. */
  next(limit: number): store.LogLine[] {
    const lines: store.LogLine[] = [];
    for (const chunk of this.#log.from(this.#at, limit)) {
      if (chunk.at > this.#at) for (const line of this.#gap(chunk)) lines.push(line);
      for (const line of this.#cutter.add(chunk)) lines.push(line);
      this.#at = chunk.at + chunk.bytes.length;
    }
    return lines;
  }

  /** What has no line end. */
  rest(): store.LogLine[] {
    return this.#cutter.rest(this.#at);
  }

  #gap({ at, attempt, wallMs }: Chunk): store.LogLine[] {
    const text = `[sheaf: ${at - this.#at} bytes of output are left out here; a datum's log keeps the first and the last ${this.#limits.halfBytes}]`;
    return [...this.rest(), logLine({ stream: "stderr", attempt, wallMs, bytes: Buffer.from(text) }, at)];
  }
}

/** Copies: what is read is a part of a larger buffer, which must not live as long as the log. */
function keep(half: Chunk[], chunk: Chunk): void {
  const last = half.at(-1);
  const joins =
    last !== undefined &&
    last.stream === chunk.stream &&
    last.attempt === chunk.attempt &&
    chunk.wallMs - last.wallMs < JOIN_MS &&
    last.bytes.length + chunk.bytes.length <= JOIN_BYTES;
  if (joins) half[half.length - 1] = { ...last, bytes: Buffer.concat([last.bytes, chunk.bytes]) };
  else half.push({ ...chunk, bytes: Buffer.from(chunk.bytes) });
}

/** The first chunk that ends after `at`. */
function firstAfter(half: readonly Chunk[], at: number): number {
  let [low, high] = [0, half.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const { at: begin, bytes } = half[middle] as Chunk;
    if (begin + bytes.length > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What Node and Java print behind an error that nobody caught: neither is what went wrong. */
const BEHIND_AN_ERROR = /^Node\.js v\d|^\s+at |^\s+\.\.\. \d+ more/;
/** The line of such an error itself. */
const AN_ERROR = /^[\w$.]*(?:Error|Exception)\b|^Exception in thread |^Caused by: /;

/**
 * The last line of standard error of an attempt, for its failure's message; empty when it wrote none. Where that is the end of the
 * report of an error that nobody caught, it is the line of the error.
 */
export function lastWordsOf(lines: Iterable<store.LogLine>, attempt: number): string {
  let last = "";
  let error = "";
  for (const line of lines) {
    if (line.attempt !== attempt || line.stream !== api.LogStream.STDERR) continue;
    if (!line.text.some((byte) => byte > 0x20)) continue;
    last = Buffer.from(line.text).toString();
    if (AN_ERROR.test(last)) error = last;
  }
  const words = error !== "" && BEHIND_AN_ERROR.test(last) ? error : last;
  return words.replaceAll(CONTROL, " ").trim();
}
