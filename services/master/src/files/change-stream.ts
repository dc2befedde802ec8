// The messages of ModifyFiles, checked in their order, as changes: contents go into packs as they come, what is left of a file
// is its entry.
//
//     open, then any of: batch | delete | begin chunk* end, then finish

import { createHash } from "node:crypto";
import { type Content, type FileWriter, fileEntry, PackWriter, parsePath } from "@sheaf/files";
import type { api } from "@sheaf/proto";
import { dataLoss, invalidArgument, resourceExhausted } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { CHANGES_BYTES_MAX, DELETES_MAX, MESSAGE_BYTES_MAX } from "../api/limits.ts";
import { shown } from "../api/names.ts";
import { ChangeList } from "./change-list.ts";

/** Files whose pack is still open are objects; so many small ones end the pack early. */
const PENDING_MAX = 20_000;
const SHA256_BYTES = 32;

interface BigFile {
  readonly path: string;
  readonly executable: boolean;
  readonly writer: FileWriter;
}

export class ChangeStream {
  readonly puts = new ChangeList(CHANGES_BYTES_MAX);
  readonly deletes: string[] = [];
  readonly #pack: PackWriter;
  /** Of all that was said, whatever the messages that said it. */
  readonly #fingerprint = createHash("sha256");
  #pending: { readonly path: string; readonly executable: boolean; readonly content: Content }[] = [];
  #big: BigFile | undefined;
  /** Without it the stream may have been cut off, and looks whole to the server. */
  #finished = false;

  constructor(target: Store) {
    this.#pack = new PackWriter(target);
  }

  /** Takes the next message after `open`. */
  async take({ message }: api.ModifyFilesRequest): Promise<void> {
    if (this.#finished) throw disorder(`${message.case ?? "an empty message"} came after finish`);
    const big = this.#big;
    if (big !== undefined && message.case !== "chunk" && message.case !== "end") {
      throw disorder(`${message.case ?? "an empty message"} came before the end of ${shown(big.path)}`);
    }
    switch (message.case) {
      case "batch":
        return this.#takeBatch(message.value);
      case "begin":
        return this.#begin(message.value);
      case "chunk":
        return this.#takeChunk(message.value);
      case "end":
        return this.#end(message.value);
      case "delete":
        return this.#takeDelete(message.value);
      case "finish":
        this.#finished = true;
        return;
      case "open":
        throw disorder("open came twice");
      case undefined:
        throw disorder("a message says nothing");
    }
  }

  /** All has come: every byte is durable when this returns. */
  async finish(): Promise<Uint8Array> {
    if (this.#big !== undefined) throw disorder(`the stream ended before the end of ${shown(this.#big.path)}`);
    if (!this.#finished) throw disorder("the stream ended without finish: nothing was stored; send all again");
    await this.#flush();
    return this.#fingerprint.digest();
  }

  async #takeBatch({ files }: api.FileBatch): Promise<void> {
    const bytes = files.reduce((sum, file) => sum + file.content.length, 0);
    if (bytes > MESSAGE_BYTES_MAX) throw tooLong("batch.files", bytes);
    files.forEach((file, i) => checkPath(`batch.files[${i}].path`, file.path));
    for (const { path, content, executable } of files) {
      await this.#put(path, executable, this.#pack.add(content));
      await this.#pack.ready();
    }
  }

  #begin({ path, executable }: api.FileBegin): void {
    checkPath("begin.path", path);
    this.#big = { path, executable, writer: this.#pack.beginFile() };
  }

  async #takeChunk(chunk: Uint8Array): Promise<void> {
    if (this.#big === undefined) throw disorder("a chunk came without a begin");
    if (chunk.length > MESSAGE_BYTES_MAX) throw tooLong("chunk", chunk.length);
    this.#big.writer.write(chunk);
    await this.#pack.ready();
  }

  async #end({ sha256 }: api.FileEnd): Promise<void> {
    const big = this.#big;
    if (big === undefined) throw disorder("an end came without a begin");
    if (sha256.length !== 0 && sha256.length !== SHA256_BYTES) {
      throw invalid("end.sha256", `has ${sha256.length} bytes: it must have ${SHA256_BYTES}, or none`);
    }
    const content = big.writer.end();
    if (sha256.length > 0 && Buffer.compare(content.sha256, sha256) !== 0) {
      const text = `the bytes of ${shown(big.path)} came with SHA-256 ${hex(content.sha256)}, not ${hex(sha256)}`;
      throw dataLoss("CHECKSUM_MISMATCH", `${text}: nothing was stored; send all again`);
    }
    this.#big = undefined;
    await this.#put(big.path, big.executable, content);
  }

  #takeDelete({ path }: api.DeletePath): void {
    if (path !== "/") checkPath("delete.path", path);
    if (this.deletes.length >= DELETES_MAX) {
      throw resourceExhausted(
        "COMMIT_TOO_BIG",
        `more than ${DELETES_MAX} deletions: delete folders, or send several commits`,
      );
    }
    this.deletes.push(path);
    this.#note("delete", path, "");
  }

  async #put(path: string, executable: boolean, content: Content): Promise<void> {
    this.#pending.push({ path, executable, content });
    this.#note(executable ? "put x" : "put", path, hex(content.hash));
    if (this.#pending.length >= PENDING_MAX) await this.#flush();
  }

  #note(what: string, path: string, hash: string): void {
    // No path holds a newline.
    this.#fingerprint.update(`${what}\n${path}\n${hash}\n`);
  }

  /** Seals the pack, so that every segment knows its pack's name, and packs the entries. */
  async #flush(): Promise<void> {
    await this.#pack.close();
    for (const { path, executable, content } of this.#pending) this.puts.add(fileEntry(path, content, { executable }));
    this.#pending = [];
  }
}

function checkPath(field: string, path: string): void {
  const parsed = parsePath(path);
  if (!parsed.ok) throw invalid(field, `${shown(path)} cannot be the path of a file: ${parsed.message}`);
}

function invalid(field: string, description: string): Error {
  return invalidArgument("FILES_INVALID", `${field} ${description}`, { details: [{ field, description }] });
}

function disorder(text: string): Error {
  return invalidArgument("MESSAGE_ORDER", `the stream breaks the contract: ${text}`);
}

function tooLong(field: string, bytes: number): Error {
  return invalid(field, `has ${bytes} bytes: at most ${MESSAGE_BYTES_MAX} in a message`);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
