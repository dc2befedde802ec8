/** What a file's bytes are, apart from its name. */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { NO_BYTES, sha256 } from "../bytes.ts";

export interface Content {
  /** Bytes. */
  readonly size: bigint;
  /** Identity of the content: see FileEntry.hash. */
  readonly hash: Uint8Array;
  readonly segments: store.Segment[];
}

const HASH_OF_NOTHING = sha256(NO_BYTES);
const HASH_BYTES = 32;

/** The hash that FileEntry.hash defines: of the bytes when there is at most one segment, else of the segments' hashes. */
export function contentHash(segments: readonly store.Segment[]): Uint8Array {
  if (segments.length === 0) return HASH_OF_NOTHING;
  if (segments.length === 1) return (segments[0] as store.Segment).sha256;
  const bytes = Buffer.alloc(segments.length * (8 + HASH_BYTES));
  segments.forEach((segment, i) => {
    bytes.writeBigUInt64BE(BigInt(segment.length), i * (8 + HASH_BYTES));
    bytes.set(segment.sha256, i * (8 + HASH_BYTES) + 8);
  });
  return sha256(bytes);
}

/** A file of a commit, or what the datum wrote at a path. */
export function fileEntry(
  path: string,
  content: Content,
  options: { readonly executable?: boolean; readonly datum?: bigint } = {},
): store.FileEntry {
  return create(store.FileEntrySchema, {
    path,
    size: content.size,
    hash: content.hash,
    executable: options.executable ?? false,
    segments: content.segments,
    datum: options.datum ?? 0n,
  });
}
