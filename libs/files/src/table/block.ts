/** Blocks: packed, hashed, and checked when they are read. */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { sha256 } from "../bytes.ts";
import { corrupt, verify } from "../object.ts";

/** A reader refuses blocks that claim to be larger than this unpacked. */
export const BLOCK_BYTES_MAX = 64 * 1024 * 1024;
/**
 * Smaller blocks are not worth the call: it makes a context of zstd, a fifth of a millisecond, each time that one is packed
 * or unpacked. Only sections below a MiB have blocks that small (block-sizes.ts).
 */
const COMPRESS_FROM = 16 * 1024;
/** Of the levels tried on index and line blocks, 1 is fastest and, on lines, also packs best. */
const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export interface PackedBlock {
  readonly bytes: Uint8Array;
  readonly codec: store.Codec;
}

export function packBlock(raw: Uint8Array): PackedBlock {
  if (raw.length >= COMPRESS_FROM) {
    const packed = zstdCompressSync(raw, OPTIONS);
    if (packed.length < raw.length) return { bytes: packed, codec: store.Codec.ZSTD };
  }
  return { bytes: raw, codec: store.Codec.PLAIN };
}

export function blockRef(
  block: PackedBlock,
  where: {
    readonly firstKey: Uint8Array;
    readonly offset: number;
    readonly rawLength: number;
    readonly count: number;
  },
): store.BlockRef {
  return create(store.BlockRefSchema, {
    firstKey: where.firstKey,
    offset: BigInt(where.offset),
    length: block.bytes.length,
    rawLength: where.rawLength,
    count: where.count,
    sha256: sha256(block.bytes),
    codec: block.codec,
  });
}

/** Checks the hash, then unpacks into at most the length that the (checked) footer gives. */
export function unpackBlock(packed: Uint8Array, ref: store.BlockRef, key: string): Uint8Array {
  verify(packed, ref.sha256, key, ref.offset);
  if (ref.rawLength > BLOCK_BYTES_MAX) throw corrupt(key, `a block of ${ref.rawLength} bytes is too large`);
  const raw = ref.codec === store.Codec.ZSTD ? unpackZstd(packed, ref, key) : packed;
  if (ref.codec === store.Codec.UNSPECIFIED || raw.length !== ref.rawLength) {
    throw corrupt(key, `the block at ${ref.offset} does not unpack to what its footer says`);
  }
  return raw;
}

function unpackZstd(packed: Uint8Array, ref: store.BlockRef, key: string): Uint8Array {
  try {
    return zstdDecompressSync(packed, { maxOutputLength: Math.max(1, ref.rawLength) });
  } catch (cause) {
    throw corrupt(key, `the block at ${ref.offset} does not unpack`, cause);
  }
}
