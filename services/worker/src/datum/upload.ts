// Stores what a command left: its files go into the open pack, its sums are checked.

import { closeSync, readSync } from "node:fs";
import { checkSum, fileEntry, type HashThreads, type PackWriter, type SumOutput, type SumSource } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import { internal } from "@sheaf/runtime";
import { type Failure, fitMessage } from "./outcome.ts";
import { changedSince, type OutputFile, openOutput } from "./output-file.ts";

/** Larger files go piece by piece, so that memory stays bounded, and through the threads. */
const WHOLE_BYTES_MAX = 4 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;

export type Uploaded =
  | {
      readonly ok: true;
      readonly entries: readonly store.FileEntry[];
      readonly sums: readonly SumOutput[];
      /** Stored; what is only referred to does not count. */
      readonly bytes: number;
    }
  | { readonly ok: false; readonly failure: Failure };

/** `isSum`: whether a path is under the strategy `sum`. The sources of large sums read the files: keep them. */
export async function upload(
  files: readonly OutputFile[],
  packs: PackWriter,
  isSum: (path: string) => boolean,
  threads: HashThreads,
): Promise<Uploaded> {
  const entries: store.FileEntry[] = [];
  const sums: SumOutput[] = [];
  let bytes = 0;
  for (const file of files) {
    if (file.kind === "reference") {
      if (isSum(file.path)) return sumOfReference(file.path);
      entries.push(referTo(file.path, file.entry));
      continue;
    }
    const opened = openOutput(file);
    if (!opened.ok) return opened;
    const { fd, executable } = opened;
    try {
      const whole = opened.size <= WHOLE_BYTES_MAX ? readWhole(fd, opened.size) : undefined;
      if (isSum(file.path)) {
        const lines: SumSource = whole ?? (() => piecesOf(file));
        const fault = checkSum(lines);
        if (fault !== null) return notASum(file.path, fault.line, fault.detail);
        sums.push({ path: file.path, lines });
      }
      const content = whole === undefined ? await packs.addFile(fd, opened.size, threads) : packs.add(whole);
      const failure = changedSince(file, fd);
      if (failure !== undefined) return { ok: false, failure };
      bytes += Number(content.size);
      entries.push(fileEntry(file.path, content, { executable }));
    } finally {
      closeSync(fd);
    }
  }
  return { ok: true, entries, sums, bytes };
}

/** The content of the input as it lies in the store. */
function referTo(path: string, { size, hash, segments, executable }: store.FileEntry): store.FileEntry {
  return fileEntry(path, { size, hash, segments }, { executable });
}

function sumOfReference(path: string): Uploaded {
  const message = `${JSON.stringify(path)} is merged by sum, and is a link to an input whose content is not here (empty_files or lazy): copy the content instead`;
  return { ok: false, failure: { reason: "NOT_A_SUM", message: fitMessage(message) } };
}

function notASum(path: string, line: number, detail: string): Uploaded {
  const message = fitMessage(
    `${JSON.stringify(path)} is merged by sum, but its line ${line} is not "key TAB number": ${detail}`,
  );
  return { ok: false, failure: { reason: "NOT_A_SUM", message } };
}

/** The file as it is, also when its size has changed since it was looked at. */
function readWhole(fd: number, size: number): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  while (at < size) {
    const got = readSync(fd, bytes, at, size - at, at);
    if (got === 0) break;
    at += got;
  }
  return bytes.subarray(0, at);
}

/** Throws when the file is not what was stored: sums of other lines would be silently wrong. */
function* piecesOf(file: OutputFile & { kind: "file" }): Generator<Uint8Array, void, void> {
  const opened = openOutput(file);
  if (!opened.ok) throw internal(opened.failure.reason, opened.failure.message);
  const { fd } = opened;
  try {
    yield* readPieces(fd);
    const failure = changedSince(file, fd);
    if (failure !== undefined) throw internal(failure.reason, failure.message);
  } finally {
    closeSync(fd);
  }
}

function* readPieces(fd: number): Generator<Uint8Array, void, void> {
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  for (let at = 0; ; ) {
    const got = readSync(fd, piece, 0, PIECE_BYTES, at);
    if (got === 0) return;
    yield piece.subarray(0, got);
    at += got;
  }
}
