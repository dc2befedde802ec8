/** What the header of a Linux program says. */
import { closeSync, openSync, readSync } from "node:fs";

const INTERPRETER = 3;

/** The loader that a program asks for, or undefined: it is static and runs in any image. */
export function loader(file: string): string | undefined {
  const descriptor = openSync(file, "r");
  try {
    const read = (length: number, position: number) => {
      const bytes = Buffer.alloc(length);
      readSync(descriptor, bytes, 0, length, position);
      return bytes;
    };
    const header = read(64, 0);
    if (header.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") throw new Error(`${file} is no 64-bit program of Linux`);
    const [table, size, count] = [Number(header.readBigUInt64LE(32)), header.readUInt16LE(54), header.readUInt16LE(56)];
    for (let i = 0; i < count; i++) {
      const segment = read(size, table + i * size);
      if (segment.readUInt32LE(0) !== INTERPRETER) continue;
      const [at, length] = [Number(segment.readBigUInt64LE(8)), Number(segment.readBigUInt64LE(32))];
      return read(length - 1, at).toString("latin1");
    }
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}
