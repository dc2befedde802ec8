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
    const whole = new Uint8Array(end - offset);
    whole.set(first.bytes);
    const rest = rangesOf(offset + first.bytes.length, end);
    const readNext = async (): Promise<void> => {
      for (let next = rest.next(); !next.done; next = rest.next()) {
        const { bytes } = await this.#range(key, next.value.offset, next.value.length);
        whole.set(bytes, next.value.offset - offset);
      }
    };
    await Promise.all(Array.from({ length: RANGES_AT_A_TIME }, readNext));
    return whole;
  }

  /** In pieces of at most 1 MiB. Throws OBJECT_MISSING. */
  async *stream(key: string, { offset, length }: ByteRange): AsyncGenerator<Uint8Array, void, void> {
    const first = await this.#range(key, offset, Math.min(length, RANGE_BYTES));
    const end = Math.min(offset + length, first.size);
    const rest = rangesOf(offset + first.bytes.length, end);
    const ahead: Promise<Answer>[] = [];
    const readAhead = (): void => {
      const next = rest.next();
      if (next.done) return;
      const answer = this.#range(key, next.value.offset, next.value.length);
      answer.catch(() => {}); // told in its turn
      ahead.push(answer);
    };
    for (let i = 1; i < RANGES_AT_A_TIME; i++) readAhead();
    for (let answer: Answer | undefined = first; answer !== undefined; answer = await ahead.shift()) {
      for (let at = 0; at < answer.bytes.length; at += PIECE_BYTES) yield answer.bytes.subarray(at, at + PIECE_BYTES);
      readAhead();
    }
  }

  /** The size of the object, or null. Asks for its first byte: of an error to a HEAD the server cannot tell the reason. */
  async size(key: string): Promise<number | null> {
    return (await this.#ask(key, 0, 1))?.size ?? null;
  }

  async #range(key: string, offset: number, length: number): Promise<Answer> {
    const answer = await this.#ask(key, offset, Math.max(1, length));
    if (answer === null) throw objectMissing(this.#connection.address, key);
    return length === 0 ? { ...answer, bytes: new Uint8Array() } : answer;
  }

  /** Null: there is no such object. */
  async #ask(key: string, offset: number, length: number): Promise<Answer | null> {
    const { bucket, prefix } = this.#connection.address;
    let read: { bytes: Uint8Array; done: number; size: number } | undefined;
    return this.#connection.call(`read ${key}`, async (client) => {
      const from = offset + (read?.done ?? 0);
      const request = { Bucket: bucket, Key: prefix + key, Range: `bytes=${from}-${offset + length - 1}` };
      const answer = await client.send(new GetObjectCommand(request)).catch(ifNothing);
      if (answer === null || answer === "past the end") return answer && { bytes: new Uint8Array(), size: 0 };
      const body = answer.Body as Readable;
      const size = sizeIn(answer.ContentRange, from);
      if (size === undefined) {
        body.destroy();
        throw unavailable("STORE_UNAVAILABLE", `cannot read ${key}: the server gives another part than was asked for`);
      }
      read ??= { bytes: new Uint8Array(Math.min(length, size - offset)), done: 0, size };
      await readInto(body, read, key);
      return { bytes: read.bytes, size };
    });
  }
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

async function readInto(body: Readable, into: { bytes: Uint8Array; done: number }, key: string): Promise<void> {
  const { bytes } = into;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    const piece = chunk.subarray(0, bytes.length - into.done);
    bytes.set(piece, into.done);
    into.done += piece.length;
  }
  if (into.done < bytes.length)
    throw unavailable("STORE_UNAVAILABLE", `cannot read ${key}: ${into.done} of ${bytes.length} bytes came`);
}
