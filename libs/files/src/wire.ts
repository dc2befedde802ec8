/**
 * Just enough of the protobuf wire format to find the records in a block without unpacking them, and to put blocks
 * together from records that are packed already.
 */

/** The tag of field 1, length-delimited: how every block message holds its records. */
const FIELD_1 = 0x0a;

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Tag and length before a record of `length` bytes in field 1. */
export function recordHeader(length: number): Uint8Array {
  const header = [FIELD_1];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) header.push((rest & 0x7f) | 0x80);
  header.push(rest);
  return Uint8Array.from(header);
}

/**
 * Where the records of a repeated, length-delimited field lie in a message. Other fields are stepped over. Throws a
 * RangeError when the bytes are not a message.
 */
export function spansOf(message: Uint8Array, field: number): Span[] {
  const spans: Span[] = [];
  const cursor = { at: 0 };
  while (cursor.at < message.length) {
    const tag = varint(message, cursor);
    const length = lengthOf(message, cursor, tag & 7);
    const to = cursor.at + length;
    if (to > message.length) throw new RangeError("a field reaches past the end of its message");
    if (tag === field * 8 + 2) spans.push({ from: cursor.at, to });
    cursor.at = to;
  }
  return spans;
}

/** Bytes of the value that begins at the cursor. */
function lengthOf(message: Uint8Array, cursor: { at: number }, wireType: number): number {
  switch (wireType) {
    case 0: {
      const start = cursor.at;
      while ((message[cursor.at] ?? 0) > 0x7f) cursor.at++;
      const length = cursor.at + 1 - start;
      cursor.at = start;
      return length;
    }
    case 1:
      return 8;
    case 2:
      return varint(message, cursor);
    case 5:
      return 4;
    default:
      throw new RangeError("a field of unknown kind");
  }
}

/** An unsigned number below 2^32. */
function varint(message: Uint8Array, cursor: { at: number }): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = message[cursor.at++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
  throw new RangeError("a number that does not end");
}
