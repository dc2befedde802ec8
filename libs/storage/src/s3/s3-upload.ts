/**
 * Stores objects: in one request up to 16 MiB, beyond that in parts, several at a time, that become an object together.
 *
 * U1. The server itself keeps an object that is there (If-None-Match: *). It says so with 412; a request whose answer was
 *     lost and that is sent again meets its own object, and that is "exists". A server may say 412 and end the connection while
 *     the object is still being sent, so that nobody hears it: then it is looked for.
 * U2. What fails takes its parts with it. Parts of a killed writer are nobody's: the bucket needs a rule that ends unfinished
 *     uploads (README).
 * U3. Memory: at most UPLOAD_BYTES of parts over all uploads of the store, and PARTS_AT_A_TIME of one object.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { invalidArgument, type Permit, Semaphore, SheafError, unavailable } from "@sheaf/runtime";
import type { ObjectSource, PutResult } from "../store.ts";
import { type Part, PartCutter } from "./part-cutter.ts";
import type { S3Connection } from "./s3-connection.ts";
import { noS3Server, s3Code } from "./s3-failure.ts";

export const PART_BYTES = 16 * 1024 * 1024;
const PARTS_MAX = 10_000;
const PARTS_AT_A_TIME = 4;
const UPLOAD_BYTES = 64 * 1024 * 1024;

interface HeldPart extends Part {
  readonly permit: Permit;
}

export class S3Uploads {
  readonly #connection: S3Connection;
  /** Whether there is an object of that name. */
  readonly #isThere: (key: string) => Promise<boolean>;
  readonly #memory = new Semaphore(UPLOAD_BYTES);

  constructor(connection: S3Connection, isThere: (key: string) => Promise<boolean>) {
    this.#connection = connection;
    this.#isThere = isThere;
  }

  async put(key: string, source: ObjectSource): Promise<PutResult> {
    const size = sizeOf(source);
    // The parts of a large object would be stored before the server says that it has it.
    if (size !== undefined && size > PART_BYTES && (await this.#isThere(key))) return "exists";
    const cutter = new PartCutter(source);
    try {
      const first = await this.#take(cutter, Math.min(size ?? PART_BYTES, PART_BYTES));
      if (!first.last) return await this.#putParts(key, first, cutter);
      using _held = first.permit;
      return await this.#putWhole(key, first.bytes);
    } finally {
      await cutter.stop();
    }
  }

  /** U3: room for a part is there before it is read. */
  async #take(cutter: PartCutter, size: number): Promise<HeldPart> {
    const permit = await this.#memory.acquire(size);
    try {
      const part = await cutter.take(size);
      return { ...part, permit };
    } catch (error) {
      permit.release();
      throw error;
    }
  }

  #putWhole(key: string, bytes: Uint8Array): Promise<PutResult> {
    const { bucket, prefix } = this.#connection.address;
    const request = { Bucket: bucket, Key: prefix + key, Body: bytes, IfNoneMatch: "*" };
    return this.#connection.call(
      `store ${key}`,
      (client) => client.send(new PutObjectCommand(request)).then((answer) => this.#created(key, answer), ifExists),
      async () => ((await this.#isThere(key)) ? "exists" : undefined),
    );
  }

  async #putParts(key: string, first: HeldPart, cutter: PartCutter): Promise<PutResult> {
    const upload = await this.#begin(key).catch((error: unknown) => {
      first.permit.release();
      throw error;
    });
    const running = new Set<Promise<void>>();
    try {
      const tags: string[] = [];
      for (let part = first, n = 1; ; part = await this.#take(cutter, PART_BYTES), n++) {
        if (n > PARTS_MAX) part.permit.release();
        if (n > PARTS_MAX) throw tooLarge(key);
        const sent: Promise<void> = this.#sendPart(upload, n, part.bytes)
          .then((tag) => {
            tags[n - 1] = tag;
          })
          .finally(() => {
            part.permit.release();
            running.delete(sent);
          });
        running.add(sent);
        sent.catch(() => {}); // told below
        if (part.last) break;
        while (running.size >= PARTS_AT_A_TIME) await Promise.race(running);
      }
      await Promise.all(running);
      const result = await this.#complete(upload, tags);
      if (result === "exists") await this.#abort(upload);
      return result;
    } catch (error) {
      await Promise.allSettled(running); // a part that comes after the end of its upload would stay
      await this.#abort(upload); // U2
      throw error;
    }
  }

  #begin(key: string): Promise<Upload> {
    const { bucket, prefix } = this.#connection.address;
    const object = { Bucket: bucket, Key: prefix + key };
    return this.#connection.call(`begin to store ${key}`, async (client) => {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand(object));
      if (UploadId === undefined) throw noS3Server(this.#connection.address, `begin to store ${key}`);
      return { key, request: { ...object, UploadId } };
    });
  }

  #sendPart({ key, request }: Upload, n: number, bytes: Uint8Array): Promise<string> {
    return this.#connection.call(`store part ${n} of ${key}`, async (client) => {
      const answer = await client.send(new UploadPartCommand({ ...request, PartNumber: n, Body: bytes }));
      if (answer.ETag === undefined) throw noS3Server(this.#connection.address, `store part ${n} of ${key}`);
      return answer.ETag;
    });
  }

  /** U1. Its answer may be lost, too: then the upload is gone when it is sent again, and the object tells. */
  async #complete({ key, request }: Upload, tags: readonly string[]): Promise<PutResult> {
    const Parts = tags.map((ETag, i) => ({ ETag, PartNumber: i + 1 }));
    const command = { ...request, MultipartUpload: { Parts }, IfNoneMatch: "*" };
    const result = await this.#connection.call(`complete ${key}`, (client) =>
      client.send(new CompleteMultipartUploadCommand(command)).then(
        (answer) => this.#created(key, answer),
        (error: unknown) => (s3Code(error) === "NoSuchUpload" ? ("gone" as const) : ifExists(error)),
      ),
    );
    if (result !== "gone") return result;
    if (await this.#isThere(key)) return "exists";
    throw unavailable("STORE_UNAVAILABLE", `cannot store ${key}: its parts were removed before it was complete`);
  }

  /** Every S3 server names the version that it has stored. */
  #created(key: string, { ETag }: { readonly ETag?: string | undefined }): "created" {
    if (ETag === undefined) throw noS3Server(this.#connection.address, `store ${key}`);
    return "created";
  }

  /** U2. */
  async #abort({ key, request }: Upload): Promise<void> {
    try {
      await this.#connection.call(`give up ${key}`, (client) => client.send(new AbortMultipartUploadCommand(request)));
    } catch (error) {
      // Its parts stay until the bucket's rule ends them: why the upload failed matters more. Or they are gone already.
      if (!(error instanceof SheafError)) throw error;
    }
  }
}

interface Upload {
  readonly key: string;
  readonly request: { readonly Bucket: string; readonly Key: string; readonly UploadId: string | undefined };
}

function ifExists(error: unknown): "exists" {
  if (s3Code(error) === "PreconditionFailed") return "exists";
  throw error;
}

/** Undefined: a stream, whose end nobody knows. */
function sizeOf(source: ObjectSource): number | undefined {
  if (source instanceof Uint8Array) return source.length;
  return Symbol.asyncIterator in source ? undefined : source.reduce((sum, piece) => sum + piece.length, 0);
}

function tooLarge(key: string): SheafError {
  return invalidArgument(
    "OBJECT_TOO_LARGE",
    `${key} is longer than ${PARTS_MAX} parts of ${PART_BYTES} bytes, which is what a store in S3 takes`,
  );
}
