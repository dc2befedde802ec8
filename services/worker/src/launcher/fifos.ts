// The FIFOs between a worker and one launcher: a folder that both can see, so that a launcher may run in another container.

import { execFileSync } from "node:child_process";
import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { dirname, join } from "node:path";
import type { Clock, Timer } from "@sheaf/runtime";

/** Of a launcher. */
const NAMES = ["requests", "control", "events", "out0", "out1", "err0", "err1", "start"];

/** How long a writer waits before it tries again when the FIFO is full. */
const FULL_WAIT_MS = 5;

/** Makes the folder, which must not be there, and its FIFOs. One process for all of them. */
export function makeFifos(box: string, names: readonly string[] = NAMES): void {
  mkdirSync(dirname(box), { recursive: true, mode: 0o700 });
  mkdirSync(box, { mode: 0o700 });
  execFileSync("mkfifo", ["-m", "600", ...names.map((name) => join(box, name))]);
}

/** What all readers of a thread read into: one is done with it before the next begins. Else Node takes 64 KiB anew for every line. */
const READ = Buffer.allocUnsafeSlow(64 * 1024);

/** Calls back with all that arrives. Reading never waits, and never stops: a full pipe would block the command. */
export class FifoReader {
  readonly #socket: Socket;

  /** `onBytes`: they are good until it returns. `onEnd`: called once, when there was a writer and the last one is gone. Without it the reader ends with no writer. */
  constructor(box: string, name: string, onBytes: (bytes: Buffer) => void, onEnd?: () => void) {
    // Opened for both directions it neither waits for a writer nor ends with one.
    const fd = openFifo(join(box, name), onEnd === undefined ? constants.O_RDWR : constants.O_RDONLY);
    const callback = (count: number) => {
      onBytes(READ.subarray(0, count));
      return true;
    };
    this.#socket = new Socket({ fd, readable: true, writable: false, onread: { buffer: READ, callback } });
    if (onEnd !== undefined) this.#socket.on("end", onEnd);
    this.#socket.on("error", () => {});
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Writes in order without ever blocking the thread: a launcher that is stuck must not stop the others. */
export class FifoWriter {
  readonly #clock: Clock;
  readonly #fd: number;
  #rest: Buffer[] = [];
  #retry: Timer | undefined;

  constructor(box: string, name: string, clock: Clock) {
    this.#clock = clock;
    this.#fd = openFifo(join(box, name), constants.O_RDWR);
  }

  write(text: string): void {
    this.#rest.push(Buffer.from(text));
    if (this.#retry === undefined) this.#flush();
  }

  /** Whether all that was written has been read by somebody. It is not to be written to after that. */
  get isEmpty(): boolean {
    return this.#rest.length === 0 && unlessItWaits(() => readSync(this.#fd, Buffer.alloc(1))) === 0;
  }

  close(): void {
    this.#retry?.cancel();
    this.#rest = [];
    closeSync(this.#fd);
  }

  #flush(): void {
    this.#retry = undefined;
    for (let first = this.#rest[0]; first !== undefined; first = this.#rest[0]) {
      const written = unlessItWaits(() => writeSync(this.#fd, first));
      if (written === first.length) {
        this.#rest.shift();
        continue;
      }
      this.#rest[0] = first.subarray(written);
      this.#retry = this.#clock.timer(FULL_WAIT_MS, () => this.#flush());
      return;
    }
  }
}

/** A command that shares the folder may have put anything in its place. */
function openFifo(path: string, how: number): number {
  const fd = openSync(path, how | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  if (fstatSync(fd).isFIFO()) return fd;
  closeSync(fd);
  throw new Error(`${path} is no FIFO`);
}

function unlessItWaits(io: () => number): number {
  try {
    return io();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return 0;
    throw error;
  }
}
