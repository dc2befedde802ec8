/** Files as messages of ModifyFiles: small ones whole, many in a message; big ones in pieces with their hash at the end. */
import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { api } from "@sheaf/proto";
import { type LocalFile, type OpenFile, openFile, readBytes } from "./local-files.ts";

/** Contract: a batch, and a chunk, has at most 1 MiB. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
/** A file above this goes in pieces. */
const SMALL_BYTES_MAX = 256 * 1024;
/** What a file takes in a message beyond its content and its path. */
const ENTRY_BYTES = 32;

export interface PutProgress {
  readonly files: number;
  readonly bytes: number;
}

export type Step = MessageInitShape<typeof api.ModifyFilesRequestSchema>;

interface Small {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

/** `progress` is counted up as files are read. Holds about two messages at a time. */
export function* fileSteps(
  files: Iterable<LocalFile>,
  under: string,
  progress: { files: number; bytes: number },
  onProgress?: (progress: PutProgress) => void,
): Generator<Step, void, void> {
  const prefix = under.endsWith("/") ? under : `${under}/`;
  let batch: Small[] = [];
  let weight = 0;
  const told = (step: Step): Step => {
    onProgress?.({ ...progress });
    return step;
  };
  for (const file of files) {
    const path = `${prefix}${file.path.replace(/^\//, "")}`;
    const open = openFile(file);
    try {
      const small = open.size <= SMALL_BYTES_MAX;
      const more = small ? open.size + Buffer.byteLength(path) + ENTRY_BYTES : 0;
      if (batch.length > 0 && (!small || weight + more > MESSAGE_BYTES_MAX)) {
        yield told(batchOf(batch));
        batch = [];
        weight = 0;
      }
      if (small) {
        const content = readBytes(open.fd, open.size, file.source);
        batch.push({ path, content, executable: open.executable });
        weight += more;
        progress.bytes += content.length;
      } else {
        for (const step of bigFile(path, file, open, progress)) yield told(step);
      }
      progress.files++;
    } finally {
      closeSync(open.fd);
    }
  }
  if (batch.length > 0) yield told(batchOf(batch));
}

function batchOf(files: Small[]): Step {
  return { message: { case: "batch", value: { files } } };
}

/** To its end as it is found, also when it grows meanwhile. */
function* bigFile(
  path: string,
  { source }: LocalFile,
  { fd, executable }: OpenFile,
  progress: { bytes: number },
): Generator<Step, void, void> {
  yield { message: { case: "begin", value: { path, executable } } };
  const hash = createHash("sha256");
  for (;;) {
    const chunk = readBytes(fd, MESSAGE_BYTES_MAX, source);
    if (chunk.length === 0) break;
    hash.update(chunk);
    progress.bytes += chunk.length;
    yield { message: { case: "chunk", value: chunk } };
  }
  yield { message: { case: "end", value: { sha256: new Uint8Array(hash.digest()) } } };
}
