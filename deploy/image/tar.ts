/** A tar archive (POSIX ustar) of entries, byte by byte the same for the same entries: no time, no owner. */
import { createReadStream, statSync } from "node:fs";
import type { Entry } from "./entry.ts";

const BLOCK = 512;
const NAME_MAX = 100;
const TYPES = { file: "0", link: "2", folder: "5" };

export async function* tar(entries: readonly Entry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    const size = sizeOf(entry);
    yield header(entry, size);
    if (entry.kind !== "file") continue;
    let read = 0;
    const bytes: AsyncIterable<Buffer> | Buffer[] =
      "content" in entry ? [entry.content] : createReadStream(entry.source, { highWaterMark: 1 << 20 });
    for await (const chunk of bytes) {
      read += chunk.length;
      yield chunk;
    }
    if (read !== size) throw new Error(`${entry.path} changed while it was packed: ${size} bytes, then ${read}`);
    yield Buffer.alloc(-size & (BLOCK - 1));
  }
  yield Buffer.alloc(2 * BLOCK);
}

function sizeOf(entry: Entry): number {
  if (entry.kind !== "file") return 0;
  return "content" in entry ? entry.content.length : statSync(entry.source).size;
}

function header(entry: Entry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const [prefix, name] = split(entry.kind === "folder" ? `${entry.path}/` : entry.path);
  const target = entry.kind === "link" ? entry.target : "";
  if (Buffer.byteLength(target) > NAME_MAX) throw new Error(`${entry.path}: its link is too long for tar: ${target}`);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  block.write(name, 0);
  block.write(octal(entry.kind === "link" ? 0o777 : entry.mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(" ".repeat(8), 148); // The sum counts its own field as blanks.
  block.write(TYPES[entry.kind], 156);
  block.write(target, 157);
  block.write("ustar\x0000", 257);
  block.write(prefix, 345);
  block.write(
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    )} `,
    148,
  );
  return block;
}

/** A long path is kept in two fields, cut at a slash. */
function split(path: string): [prefix: string, name: string] {
  const bytes = Buffer.byteLength(path);
  if (bytes <= NAME_MAX) return ["", path];
  for (let cut = path.indexOf("/"); cut > 0; cut = path.indexOf("/", cut + 1))
    if (Buffer.byteLength(path.slice(cut + 1)) <= NAME_MAX && cut <= 155)
      return [path.slice(0, cut), path.slice(cut + 1)];
  throw new Error(`the path is too long for tar: ${path}`);
}
