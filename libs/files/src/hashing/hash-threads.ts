/**
 * Reads large pieces of local files, and hashes what it has read, on threads: hashing a large file on the thread that handles it
 * would leave all other cores idle, and take most of its time.
 *
 * H1. The bytes that are handed out are the very bytes that were hashed: the file is read once.
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

interface Waiting extends Omit<Task, "memory"> {
  readonly resolve: (lent: LentBytes) => void;
  readonly reject: (error: unknown) => void;
}

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
      this.#waiting.push({ fd, offset, length, resolve, reject });
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#waiting.length > 0) {
      if (this.#free.length === 0 && this.#buffers === BUFFERS) return;
      if (this.#idle.length === 0 && this.#threads === this.#threadsMax) return;
      const seat = this.#idle.pop() ?? this.#newSeat();
      const waiting = this.#waiting.shift() as Waiting;
      const { fd, offset, length } = waiting;
      const memory = this.#free.pop() ?? this.#newMemory();
      seat.task = waiting;
      // Only a thread that has something to do keeps the process.
      seat.thread.ref();
      seat.thread.postMessage({ fd, offset, length, memory } satisfies Task, [memory]);
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
    if (answer.ok) task.resolve(this.#lend(answer));
    else {
      this.#free.push(answer.memory);
      task.reject(Object.assign(new Error(answer.message), answer.code === undefined ? {} : { code: answer.code }));
    }
    this.#begin();
  }

  /** The memory that it had is lost with it. */
  #lost(seat: Seat, error: unknown): void {
    this.#threads--;
    const at = this.#idle.indexOf(seat);
    if (at >= 0) this.#idle.splice(at, 1);
    if (seat.task !== undefined) this.#buffers--;
    seat.task?.reject(error);
    seat.task = undefined;
    this.#begin();
  }

  #lend({ memory, length, sha256 }: Answer & { ok: true }): LentBytes {
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
