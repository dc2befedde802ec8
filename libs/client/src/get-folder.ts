/** The files of a commit as a folder of this machine. */

import { basename, dirname, posix } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { api } from "@sheaf/proto";
import { failedPrecondition } from "@sheaf/runtime";
import { type BigFile, FolderWriter } from "./folder-writer.ts";
import { brokenOff, noFile, requireOne } from "./read-file.ts";
import type { Caller, CommitName } from "./services.ts";

export interface GetOptions {
  /** After each message, about a MiB. */
  readonly onProgress?: (progress: GotFolder) => void;
  readonly signal?: AbortSignal;
}

export interface GetFolderOptions extends GetOptions {
  /** A file or a folder of the commit: what is in it comes to `dir` without its path. Default "/". */
  readonly path?: string;
  /** Only paths that match. Default: all. */
  readonly glob?: string;
}

/** What was written. */
export interface GotFolder {
  readonly files: number;
  readonly bytes: number;
}

export async function getFolder(
  caller: Caller,
  commit: CommitName,
  dir: string,
  { path = "/", glob = "", ...options }: GetFolderOptions = {},
): Promise<GotFolder> {
  const writer = new FolderWriter(dir, localPaths(path));
  return receive(caller, { commit: { ...commit }, path, glob }, writer, options);
}

/** The file at `path` of the commit becomes the local file `target`. */
export async function getFile(
  caller: Caller,
  commit: CommitName,
  path: string,
  target: string,
  options: GetOptions = {},
): Promise<GotFolder> {
  const name = basename(target);
  if (name === "" || name === "." || name === "..") {
    const why = target === "" ? "it has no name" : "it is a folder";
    throw failedPrecondition("FILE_NOT_WRITABLE", `cannot write ${JSON.stringify(target)}: ${why}`);
  }
  const local = (found: string) => requireOne(path, found) && name;
  const got = await receive(caller, { commit: { ...commit }, path }, new FolderWriter(dirname(target), local), options);
  if (got.files === 0) throw noFile(path);
  return got;
}

async function receive(
  { rpc }: Caller,
  request: MessageInitShape<typeof api.GetFilesRequestSchema>,
  writer: FolderWriter,
  { signal, onProgress }: GetOptions,
): Promise<GotFolder> {
  let big: BigFile | undefined;
  try {
    for await (const { message } of rpc.file.getFiles(request, signal === undefined ? {} : { signal })) {
      if (message.case === "batch") for (const file of message.value.files) writer.write(file);
      else if (message.case === "begin") big = writer.begin(message.value);
      else if (message.case === "chunk") big?.write(message.value);
      else if (message.case === "end") {
        const ended = big;
        big = undefined;
        ended?.end(message.value.sha256);
      }
      onProgress?.(writer.written);
    }
    if (big !== undefined) throw brokenOff(big.path);
  } finally {
    big?.discard();
  }
  return writer.written;
}

/** Paths of the commit as paths below the folder: a file comes under its own name, what is in a folder without its path. */
function localPaths(asked: string): (path: string) => string {
  const folder = asked.endsWith("/") ? asked : `${asked}/`;
  return (path) => (path.startsWith(folder) ? path.slice(folder.length) : posix.basename(path));
}
