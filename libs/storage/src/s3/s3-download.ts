/**
 * Reads objects, a range at a time. A body that breaks off or stands still is asked for again from where it ended; one
 * that is shorter than what was announced is noticed by its length, and what is in it is for the reader to check.
 *
 * Long reads are made of ranges of RANGE_BYTES, RANGES_AT_A_TIME of them at a time. Memory: that product for a stream (32
 * MiB), and for a `get` what it gives back.
 */
import type { Readable } from "node:stream";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { unavailable } from "@sheaf/runtime";
import type { ByteRange } from "../store.ts";
import type { S3Connection } from "./s3-connection.ts";
import { objectMissing, s3Code } from "./s3-failure.ts";

const RANGE_BYTES = 8 * 1024 * 1024;
const RANGES_AT_A_TIME = 4;
const PIECE_BYTES = 1024 * 1024;

interface Answer {
  readonly bytes: Uint8Array;
  /** Of the whole object. */
  readonly size: number;
}

export class S3Downloads {
  readonly #connection: S3Connection;

  constructor(connection: S3Connection) {
    this.#connection = connection;
  }

  /** Throws OBJECT_MISSING. */
  async get(key: string, { offset, length }: ByteRange): Promise<Uint8Array> {
    const first = await this.#range(key, offset, Math.min(length, RANGE_BYTES));
    const end = Math.min(offset + length, first.size);
    if (offset + first.bytes.length >= end) return first.bytes;
    const whole = emptyBytes(end - offset);
    whole.set(first.bytes);
    const rest = rangesOf(offset + first.bytes.length, end);
    const readNext = async (): Promise<void> => {
      for (const next of rest) {
        const at = next.offset - offset;
        await this.#range(key, next.offset, next.length, whole.subarray(at, at + next.length));
      }
    };
    await Promise.all(Array.from({ length: RANGES_AT_A_TIME }, readNext));
    return whole;
  }

  /** In pieces of at most 1 MiB, each good until the next is asked for. Throws OBJECT_MISSING. */
  async *stream(key: string, { offset, length }: ByteRange): AsyncGenerator<Uint8Array, void, void> {
    const first = await this.#range(key, offset, Math.min(length, RANGE_BYTES));
    const end = Math.min(offset + length, first.size);
    const rest = rangesOf(offset + first.bytes.length, end);
    const ahead: Promise<Answer>[] = [];
    const readAhead = (memory: ArrayBufferLike | undefined): void => {
      const next = rest.next();
      if (next.done) return;
      // New memory for each range costs a third of the time.
      const into = new Uint8Array(memory ?? emptyBytes(RANGE_BYTES).buffer, 0, next.value.length);
      const answer = this.#range(key, next.value.offset, next.value.length, into);
      answer.catch(() => {}); // told in its turn
      ahead.push(answer);
    };
    for (let i = 1; i < RANGES_AT_A_TIME; i++) readAhead(undefined);
    for (let answer: Answer | undefined = first; answer !== undefined; answer = await ahead.shift()) {
      const { bytes } = answer;
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
      readAhead(bytes.buffer.byteLength === RANGE_BYTES ? bytes.buffer : undefined);
    }
  }

  /** The size of the object, or null. Asks for its first byte: of an error to a HEAD the server cannot tell the reason. */
  async size(key: string): Promise<number | null> {
    return (await this.#ask(key, 0, 1))?.size ?? null;
  }

  async #range(key: string, offset: number, length: number, into?: Uint8Array): Promise<Answer> {
    const answer = await this.#ask(key, offset, Math.max(1, length), into);
    if (answer === null) throw objectMissing(this.#connection.address, key);
    return length === 0 ? { ...answer, bytes: new Uint8Array() } : answer;
  }

  /** Null: there is no such object. `into`: where the bytes go, when it is known how many there are. */
  async #ask(key: string, offset: number, length: number, into?: Uint8Array): Promise<Answer | null> {
    const { bucket, prefix } = this.#connection.address;
    const read: Reading = { bytes: into, done: 0 };
    return this.#connection.call(`read ${key}`, async (client) => {
      const from = offset + read.done;
      const request = { Bucket: bucket, Key: prefix + key, Range: `bytes=${from}-${offset + length - 1}` };
      const answer = await client.send(new GetObjectCommand(request)).catch(ifNothing);
      if (answer === null || answer === "past the end") return answer && { bytes: new Uint8Array(), size: 0 };
      const body = answer.Body as Readable;
      const size = sizeIn(answer.ContentRange, from);
      if (size === undefined) {
        body.destroy();
        throw unavailable("STORE_UNAVAILABLE", `cannot read ${key}: the server gives another part than was asked for`);
      }
      read.bytes ??= emptyBytes(Math.min(length, size - offset));
      await readBody(body, read, read.bytes);
      if (read.done === read.bytes.length) return { bytes: read.bytes, size };
      throw unavailable("STORE_UNAVAILABLE", `cannot read ${key}: ${read.done} of ${read.bytes.length} bytes came`);
    });
  }
}

/** How far a range has come, over all tries. */
interface Reading {
  bytes: Uint8Array | undefined;
  done: number;
}

/** All of it will be written to: to fill it with zeros first would be a tenth of the work of a read. */
function emptyBytes(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** What is left to be read, in order. */
function* rangesOf(from: number, end: number): Generator<ByteRange, void, void> {
  for (let offset = from; offset < end; offset += RANGE_BYTES)
    yield { offset, length: Math.min(RANGE_BYTES, end - offset) };
}

function ifNothing(error: unknown): null | "past the end" {
  const code = s3Code(error);
  if (code === "NoSuchKey") return null;
  if (code === "InvalidRange") return "past the end";
  throw error;
}

/** `bytes 0-99/1234`: the size of the whole, when the part begins where it should. */
function sizeIn(contentRange: string | undefined, from: number): number | undefined {
  const [, begin, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(contentRange ?? "") ?? [];
  return Number(begin) === from ? Number(size) : undefined;
}

/** Rejects when the connection breaks. Events, not an iterator: there are 16 pieces to a megabyte. */
function readBody(body: Readable, read: Reading, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    body.on("data", (chunk: Uint8Array) => {
      const piece = chunk.length > bytes.length - read.done ? chunk.subarray(0, bytes.length - read.done) : chunk;
      bytes.set(piece, read.done);
      read.done += piece.length;
    });
    body.once("end", resolve);
    body.once("error", reject);
  });
}
