/**
 * The bytes of a file on their way to somebody who waits: they go on as they are read, in pieces of at most 1 MiB, and a segment's last piece
 * only when the whole segment had its hash. So what is damaged is never sent to its end, and a segment of 16 MiB is never in memory.
 */
import { createHash } from "node:crypto";
import type { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { checkHash, packKey } from "../object.ts";
import { readSegments } from "./segment-reader.ts";

/** Shorter ones are read several at a time, and checked before. */
const SHORT_BYTES = 1024 * 1024;

/** Throws DATA_LOSS OBJECT_MISSING or OBJECT_CORRUPT, as readSegments. A piece is good until the next is asked for. */
export async function* streamSegments(
  source: Store,
  segments: readonly store.Segment[],
): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < segments.length; ) {
    const short: store.Segment[] = [];
    for (let next = segments[at]; next !== undefined && next.length <= SHORT_BYTES; next = segments[at + short.length])
      short.push(next);
    if (short.length > 0) yield* readSegments(source, short);
    else yield* streamOne(source, segments[at] as store.Segment);
    at += Math.max(1, short.length);
  }
}

async function* streamOne(source: Store, { pack, offset, length, sha256 }: store.Segment) {
  const key = packKey(pack);
  const hash = createHash("sha256");
  let seen = 0;
  const check = () => checkHash(hash.digest(), sha256, { length: seen }, key, offset);
  for await (const piece of source.stream(key, { offset: Number(offset), length })) {
    hash.update(piece);
    seen += piece.length;
    if (seen === length) check();
    yield piece;
  }
  if (seen !== length) check();
}
