/**
 * What a handler prints, on its way to the datum's log. A loop that prints gigabytes never lets the other thread read: so
 * only the begin of a datum's output is sent at once, and of the rest the end is kept here until the datum ends.
 */
import type { Stream } from "../launcher/launcher.ts";

const HEAD_BYTES = 512 * 1024;
/** Less than the log keeps of the end: the line that says what is missing must fit as well. */
const TAIL_BYTES = 511 * 1024;

export type Send = (stream: Stream, bytes: Uint8Array) => void;

export class HandlerOutput {
  readonly #send: Send;
  #sentBytes = 0;
  #tail: [Stream, Uint8Array][] = [];
  #tailBytes = 0;
  #droppedBytes = 0;

  constructor(send: Send) {
    this.#send = send;
  }

  add(stream: Stream, bytes: Uint8Array): void {
    if (this.#sentBytes < HEAD_BYTES) {
      const now = bytes.subarray(0, HEAD_BYTES - this.#sentBytes);
      this.#sentBytes += now.length;
      this.#send(stream, now);
      bytes = bytes.subarray(now.length);
    }
    if (bytes.length === 0) return;
    this.#tail.push([stream, bytes]);
    this.#tailBytes += bytes.length;
    for (let oldest = this.#tail[0]; oldest !== undefined && this.#isFull(oldest[1]); oldest = this.#tail[0]) {
      this.#tail.shift();
      this.#tailBytes -= oldest[1].length;
      this.#droppedBytes += oldest[1].length;
    }
  }

  /** The datum has ended: sends what was kept. */
  flush(): void {
    if (this.#droppedBytes > 0) {
      const text = `\n[sheaf: ${this.#droppedBytes} bytes of output are left out here]\n`;
      this.#send("stderr", Buffer.from(text));
    }
    for (const [stream, bytes] of this.#tail) this.#send(stream, bytes);
    this.#tail = [];
    this.#sentBytes = this.#tailBytes = this.#droppedBytes = 0;
  }

  #isFull(oldest: Uint8Array): boolean {
    return this.#tailBytes - oldest.length >= TAIL_BYTES;
  }
}
