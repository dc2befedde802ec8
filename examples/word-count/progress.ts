/** One line that is written over and over on a terminal, and plain lines, now and then, where there is none. */
import type { WriteStream } from "node:tty";

const LIVE_MS = 100;
const PLAIN_MS = 1_000;

export class ProgressLine {
  readonly #out: NodeJS.WriteStream & Partial<WriteStream>;
  #shownAt = Number.NEGATIVE_INFINITY;
  #live = false;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** What goes on now. Most are passed over: a person reads ten a second at best, a log one. */
  show(text: string): void {
    const now = performance.now();
    if (now - this.#shownAt < (this.#out.isTTY ? LIVE_MS : PLAIN_MS)) return;
    this.#shownAt = now;
    if (!this.#out.isTTY) return void this.#out.write(`${text}\n`);
    this.#out.write(`\r\x1b[2K${text.slice(0, (this.#out.columns ?? 80) - 1)}`);
    this.#live = true;
  }

  /** A line that stays. */
  say(text: string): void {
    this.end();
    this.#out.write(`${text}\n`);
  }

  /** Takes the live line away. */
  end(): void {
    if (this.#live) this.#out.write("\r\x1b[2K");
    this.#live = false;
  }
}

export function mib(bytes: number | bigint): string {
  return `${(Number(bytes) / 2 ** 20).toFixed(1)} MiB`;
}
