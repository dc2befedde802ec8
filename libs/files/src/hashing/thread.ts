// The other end of hash-threads.ts.

import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { type MessagePort, parentPort } from "node:worker_threads";
import { writeAll } from "../write-all.ts";
import type { Answer, Task } from "./messages.ts";

/** Stays in a core's own cache between the read and the hash: with pieces of 16 MiB, hashing takes half as long again. */
const PIECE_BYTES = 256 * 1024;

const PIECE = new Uint8Array(PIECE_BYTES);

function listen(port: MessagePort): void {
  port.on("message", (task: Task) => port.postMessage(answerTo(task), task.kind === "read" ? [task.memory] : []));
}

function answerTo(task: Task): Answer {
  const { fd, offset, length } = task;
  const memory = task.kind === "read" ? task.memory : undefined;
  const hash = createHash("sha256");
  let done = 0;
  try {
    while (done < length) {
      const size = Math.min(PIECE_BYTES, length - done);
      const piece = memory === undefined ? PIECE.subarray(0, size) : new Uint8Array(memory, done, size);
      const got = readSync(fd, piece, 0, size, offset + done);
      if (got === 0) break;
      hash.update(piece.subarray(0, got));
      if (task.kind === "copy") writeAll(task.to, piece.subarray(0, got), task.toOffset + done);
      done += got;
    }
    return { ok: true, memory, length: done, sha256: new Uint8Array(hash.digest()) };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return { ok: false, memory, message, code };
  }
}

if (parentPort !== null) listen(parentPort);
