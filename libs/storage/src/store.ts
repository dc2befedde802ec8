/**
 * The seam to the object store.
 *
 * Objects are immutable and their keys end in the hash of their content. That makes every operation safe to repeat: a put
 * of a key that exists is a success, because what exists is what would have been written. Nothing here compares hashes:
 * readers do (they know what they expect), so that one check covers the disk, the network and the driver.
 *
 * Errors of all drivers are SheafErrors with these reasons:
 *   OBJECT_MISSING (DATA_LOSS)              no such object; whoever asks has a reference to it, so something was lost
 *   KEY_INVALID (INVALID_ARGUMENT)          a key that could leave the store, or that no S3 server would take
 *   STORE_FULL (RESOURCE_EXHAUSTED)         no room for the object
 *   STORE_NOT_WRITABLE (FAILED_PRECONDITION) the store may be read only
 *   STORE_UNAVAILABLE (UNAVAILABLE)         cannot be reached, or an I/O error: may be tried again
 *   STORE_URL (INVALID_ARGUMENT)            no address of a store; the wrong region
 * and, of stores behind a server:
 *   STORE_ACCESS_DENIED (PERMISSION_DENIED, UNAUTHENTICATED) its credentials are refused; there are none
 *   STORE_NOT_FOUND (NOT_FOUND)             there is no such bucket
 *   STORE_REFUSED (FAILED_PRECONDITION)     any other answer that another try would get as well
 *   STORE_KIND (UNIMPLEMENTED)              the server does not know how
 *   STORE_CLOSED (FAILED_PRECONDITION)      asked for after `close`
 *   OBJECT_TOO_LARGE (INVALID_ARGUMENT)     beyond 10,000 parts
 */
import { invalidArgument } from "@sheaf/runtime";

/** Part of an object, in bytes. What lies past the object's end is left out of the answer. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface ObjectInfo {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** When it was stored, in milliseconds since 1970, by the store's clock. For the age of garbage only. */
  readonly modifiedMs: number;
}

/** Bytes to store: in one piece, in pieces, or as a stream. A stream is read once. */
export type ObjectSource = Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>;

/** `exists`: the key was there, and nothing was written. Both mean that the object is durable. */
export type PutResult = "created" | "exists";

export interface Store {
  /** How it is called in messages and settings: `file:///var/lib/sheaf/store`. */
  readonly url: string;
  /**
   * Stores the object unless its key exists: whole or not at all, and durable when it returns. Of several puts of one key
   * at a time exactly one answers `created`. When it throws, nothing is stored under the key, or all of it. Memory of the source is
   * the caller's again when it has returned or thrown: it may be used for other bytes at once.
   */
  put(key: string, source: ObjectSource): Promise<PutResult>;
  /** The object, or a part of it, in memory of its own: for ranges up to some MiB. Beyond, see `stream`. */
  get(key: string, range?: ByteRange): Promise<Uint8Array>;
  /** The same in pieces of at most 1 MiB, each of which is good until the next is asked for: its memory is used again. */
  stream(key: string, range?: ByteRange): AsyncIterable<Uint8Array>;
  /** Its size, or null when there is no such object. */
  head(key: string): Promise<{ readonly size: number } | null>;
  /** Objects whose key begins with `prefix`, ordered by the bytes of their keys. */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  /** Whether there was one to delete. */
  delete(key: string): Promise<boolean>;
  /**
   * A file of this machine that is the object, to be linked or read but never changed; null when there is none, or when
   * the store is elsewhere. It may be deleted at any time.
   */
  localPath(key: string): string | null;
  /**
   * An address under which any HTTP client gets these bytes for `seconds`, where the store has a server that can give one. Absent: it
   * has none. Whoever has it can read this range of this object and nothing else.
   */
  presign?(key: string, range: ByteRange, seconds: number): Promise<PresignedRange>;
  /** Whether a read of a few bytes costs microseconds (this machine), so that reading ahead does not pay. */
  readonly near: boolean;
  /** Frees what is open. Calls after it fail. Twice is harmless. */
  close(): Promise<void>;
}

/** A request that a server of the store answers without further credentials. */
export interface PresignedRange {
  readonly url: string;
  /** Signed with it: they have to be sent as they are. */
  readonly headers: Readonly<Record<string, string>>;
}

const KEY_BYTES_MAX = 255;
const KEY = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

/** Throws KEY_INVALID unless the key is parts of `A-Z a-z 0-9 . _ -`, none beginning with a dot, at most 255 bytes. */
export function checkKey(key: string): void {
  if (key.length <= KEY_BYTES_MAX && KEY.test(key)) return;
  throw invalidArgument("KEY_INVALID", `"${key.slice(0, 80)}" cannot be the key of an object`);
}

const PIECE_BYTES = 1024 * 1024;

/** `stream` made of `get`: for drivers that have no better way. */
export async function* streamRange(
  store: Pick<Store, "get">,
  key: string,
  range: ByteRange,
): AsyncGenerator<Uint8Array, void, void> {
  for (let done = 0; done < range.length; ) {
    const piece = await store.get(key, {
      offset: range.offset + done,
      length: Math.min(PIECE_BYTES, range.length - done),
    });
    if (piece.length === 0) return;
    yield piece;
    done += piece.length;
  }
}
