/**
 * A range of a file in pieces, of which the next is read while one is used. Two buffers in turn: new memory for each piece would cost more
 * than to read it.
 *
 * Memory: two pieces.
 */
import { open } from "node:fs/promises";

const PIECE_BYTES = 256 * 1024;

/** A piece is good until the next is asked for. Ends early where the file does. */
export async function* readAhead(path: string, from: number, to: number): AsyncGenerator<Uint8Array, void, void> {
  const file = await open(path, "r");
  const length = Math.min(PIECE_BYTES, to - from);
  // Not zeroed: they are filled, or cut.
  const buffers = [Buffer.allocUnsafeSlow(length), Buffer.allocUnsafeSlow(to - from > length ? length : 0)] as const;
  const read = async (at: number, turn: number): Promise<Uint8Array> => {
    const buffer = buffers[turn % 2 === 0 ? 0 : 1];
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, to - at), at);
    return buffer.subarray(0, bytesRead);
  };
  let coming: Promise<Uint8Array> | undefined;
  try {
    coming = read(from, 0);
    for (let at = from, turn = 1; at < to; turn++) {
      const piece = await coming;
      if (piece.length === 0) return;
      at += piece.length;
      if (at < to) coming = read(at, turn);
      coming.catch(() => {}); // told in its turn, or to nobody who still reads
      yield piece;
    }
  } finally {
    // What is being read needs the file and its buffer until it is there.
    await coming?.catch(() => {});
    await file.close();
  }
}
