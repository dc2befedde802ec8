/**
 * Reads or copies large pieces of local files, and hashes what it has read, on threads: hashing a large file on the thread that handles
 * it would leave all other cores idle, and take most of its time.
 *
 * H1. The bytes that are handed out, or written, are the very bytes that were hashed: the file is read once.
 * H2. The memory is lent, and used again: left to the garbage collector, a large file would cost as much memory as it has bytes.
 *     Who waits for memory gets it in the order of the calls. So nobody who gives back what was lent first, without waiting for
 *     more, can wait for ever.
 *
 * Memory: BUFFERS times LENT_BYTES_MAX (64 MiB), once they were all needed; threads are started when they are needed, and stay.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Answer, Task } from "./messages.ts";

/** The longest piece. */
export const LENT_BYTES_MAX = 16 * 1024 * 1024;
const THREADS_MAX = 4;
/** What two threads fill, and as much that is being written and synced meanwhile. */
const BUFFERS = 4;

/** Bytes that are the caller's until they are given back. */
export interface LentBytes {
  readonly bytes: Uint8Array;
  readonly sha256: Uint8Array;
  /** Once, and no look at `bytes` after it. */
  giveBack(): void;
}

interface Range {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
}

/** What was copied. */
export type Copied = Pick<Answer & { ok: true }, "length" | "sha256">;

type Waiting = Range & { readonly reject: (error: unknown) => void } & (
    | { readonly kind: "read"; readonly resolve: (lent: LentBytes) => void }
    | {
        readonly kind: "copy";
        readonly to: number;
        readonly toOffset: number;
        readonly resolve: (copied: Copied) => void;
      }
  );

/** A thread and what it has to do. */
interface Seat {
  readonly thread: Worker;
  task: Waiting | undefined;
}

/** One set of threads for all that a process, or an engine, reads. */
export class HashThreads {
  readonly #threadsMax = Math.min(THREADS_MAX, availableParallelism());
  readonly #idle: Seat[] = [];
  readonly #free: ArrayBuffer[] = [];
  readonly #waiting: Waiting[] = [];
  #threads = 0;
  #buffers = 0;

  /** At most LENT_BYTES_MAX; fewer than `length` where the file ends. `fd` must stay open meanwhile. */
  read(fd: number, offset: number, length: number): Promise<LentBytes> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ kind: "read", fd, offset, length, resolve, reject });
      this.#begin();
    });
  }

  /**
   * Writes the range to another file, from `toOffset` on; fewer bytes than `length` where the file ends. Needs no memory. What is written
   * can be damaged: look at its hash. Both files must stay open meanwhile.
   */
  copy({ fd, offset, length }: Range, to: number, toOffset: number): Promise<Copied> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ kind: "copy", fd, offset, length, to, toOffset, resolve, reject });
      this.#begin();
    });
  }

  #begin(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (next.kind === "read" && this.#free.length === 0 && this.#buffers === BUFFERS) return;
      if (this.#idle.length === 0 && this.#threads === this.#threadsMax) return;
      const seat = this.#idle.pop() ?? this.#newSeat();
      this.#waiting.shift();
      seat.task = next;
      // Only a thread that has something to do keeps the process.
      seat.thread.ref();
      this.#tell(seat.thread, next);
    }
  }

  #tell(thread: Worker, waiting: Waiting): void {
    const { fd, offset, length } = waiting;
    if (waiting.kind === "read") {
      const memory = this.#free.pop() ?? this.#newMemory();
      thread.postMessage({ kind: "read", fd, offset, length, memory } satisfies Task, [memory]);
    } else {
      const { to, toOffset } = waiting;
      thread.postMessage({ kind: "copy", fd, offset, length, to, toOffset } satisfies Task);
    }
  }

  #newSeat(): Seat {
    const thread = new Worker(new URL("./thread.ts", import.meta.url));
    const seat: Seat = { thread, task: undefined };
    thread.on("message", (answer: Answer) => this.#answered(seat, answer));
    thread.on("error", (error) => this.#lost(seat, error));
    this.#threads++;
    return seat;
  }

  #answered(seat: Seat, answer: Answer): void {
    const task = seat.task as Waiting;
    seat.task = undefined;
    seat.thread.unref();
    this.#idle.push(seat);
    if (!answer.ok) {
      if (answer.memory !== undefined) this.#free.push(answer.memory);
      task.reject(Object.assign(new Error(answer.message), answer.code === undefined ? {} : { code: answer.code }));
    } else if (task.kind === "copy") task.resolve({ length: answer.length, sha256: answer.sha256 });
    else task.resolve(this.#lend(answer));
    this.#begin();
  }

  /** The memory that it had is lost with it. */
  #lost(seat: Seat, error: unknown): void {
    this.#threads--;
    const at = this.#idle.indexOf(seat);
    if (at >= 0) this.#idle.splice(at, 1);
    if (seat.task?.kind === "read") this.#buffers--;
    seat.task?.reject(error);
    seat.task = undefined;
    this.#begin();
  }

  #lend({ memory: given, length, sha256 }: Answer & { ok: true }): LentBytes {
    const memory = given as ArrayBuffer; // of a read
    const giveBack = () => {
      this.#free.push(memory);
      this.#begin();
    };
    return { bytes: new Uint8Array(memory, 0, length), sha256, giveBack };
  }

  #newMemory(): ArrayBuffer {
    this.#buffers++;
    return new ArrayBuffer(LENT_BYTES_MAX);
  }
}
