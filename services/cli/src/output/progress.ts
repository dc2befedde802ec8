/**
 * One line that says what goes on. On a terminal it is written over again and again, and gone at the end; elsewhere each
 * new text is a line of its own, at most one a second.
 */
import type { Clock, Timer } from "@sheaf/runtime";
import type { Sink } from "../host.ts";
import { escapeControls } from "./escape.ts";

const LIVE_MS = 100;
const PLAIN_MS = 1_000;
const CLEAR = "\r\u001b[2K";

export class Progress {
  readonly #sink: Sink;
  readonly #clock: Clock;
  #text = "";
  #shown = "";
  #shownMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(sink: Sink, clock: Clock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  /** Says it now, or as soon as the last text has stood for a while; by then the newest text counts. */
  say(text: string): void {
    this.#text = text;
    if (this.#timer !== undefined) return;
    const waitMs = this.#shownMs + (this.#sink.isTTY ? LIVE_MS : PLAIN_MS) - this.#clock.now();
    if (waitMs <= 0) this.#show();
    else this.#timer = this.#clock.timer(waitMs, () => this.#show());
  }

  /** A line that stays, above the live one. */
  note(text: string): void {
    this.#clear();
    this.#sink.write(`${escapeControls(text)}\n`);
    if (this.#sink.isTTY && this.#shown !== "") this.#draw();
  }

  /** The live line goes. Twice is harmless; `say` begins it anew. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#clear();
    this.#shown = "";
  }

  #show(): void {
    this.#timer = undefined;
    if (this.#text === this.#shown) return;
    this.#shown = this.#text;
    this.#shownMs = this.#clock.now();
    if (this.#sink.isTTY) this.#draw();
    else this.#sink.write(`${this.#shown}\n`);
  }

  #draw(): void {
    // A line that wraps could not be written over.
    const width = Math.max(20, this.#sink.columns() - 1);
    const text = escapeControls(this.#shown);
    this.#sink.write(`${CLEAR}${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
  }

  #clear(): void {
    if (this.#sink.isTTY && this.#shown !== "") this.#sink.write(CLEAR);
  }
}
