/**
 * A process of the simulation: one incarnation. It can be paused (nothing of it runs, and it does not know), go on as a zombie,
 * and crash: a crashed incarnation never runs again, whatever it was waiting for.
 */
import { type Clock, cancellable, type Random, sleepOn } from "@sheaf/runtime";
import type { Event, World } from "./world.ts";

/** Wall time at the start of a history. */
const WALL_START = Date.UTC(2026, 0, 1);

export class Process {
  readonly name: string;
  readonly random: Random;
  readonly clock: Clock;
  /** Whether its code is asynchronous, so that something may follow from an event after it returned. */
  readonly hasPromises: boolean;
  readonly #world: World;
  readonly #onEnd: (() => void)[] = [];
  #state: "runs" | "paused" | "dead" = "runs";
  /** What came while it was paused. */
  #backlog: Event[] = [];
  #timers = 0;
  #resumedAt = Number.NEGATIVE_INFINITY;

  constructor(world: World, name: string, random: Random, options: { hasPromises: boolean; wallSkewMs: number }) {
    this.name = name;
    this.random = random;
    this.hasPromises = options.hasPromises;
    this.#world = world;
    const clock: Clock = {
      now: () => world.now,
      wall: () => WALL_START + options.wallSkewMs + world.now,
      sleep: (ms, signal) => sleepOn(clock, ms, signal),
      timer: (ms, fn) => {
        let isSet = true;
        const over = () => {
          if (isSet) this.#timers--;
          isSet = false;
        };
        const event = this.after(
          ms,
          () => {
            over();
            fn();
          },
          "timer",
        );
        this.#timers++;
        return cancellable(() => {
          over();
          event.cancelled = true;
        });
      },
    };
    this.clock = clock;
  }

  /** When it last went on after a pause. */
  get resumedAt(): number {
    return this.#resumedAt;
  }

  get isAlive(): boolean {
    return this.#state !== "dead";
  }

  get isPaused(): boolean {
    return this.#state === "paused";
  }

  /** Timers that are set and have not fired. */
  get timers(): number {
    return this.#timers;
  }

  after(ms: number, fn: () => void, kind: Event["kind"] = "message"): Event {
    return this.#world.after(ms, this, fn, kind);
  }

  /** Whether the event may happen now. While it is paused, events wait. */
  takes(event: Event): boolean {
    if (this.#state === "paused") this.#backlog.push(event);
    return this.#state === "runs";
  }

  pause(): void {
    if (this.#state === "runs") this.#state = "paused";
  }

  /** Goes on. `timersFirst`: timers that are due fire before the messages that were already there, as in a blocked event loop. */
  resume(timersFirst: boolean): void {
    if (this.#state !== "paused") return;
    this.#state = "runs";
    this.#resumedAt = this.#world.now;
    const waited = this.#backlog;
    this.#backlog = [];
    if (timersFirst) waited.sort((a, b) => Number(a.kind === "message") - Number(b.kind === "message"));
    for (const event of waited) {
      this.#world.after(
        0,
        this,
        () => {
          if (!event.cancelled) event.fn();
        },
        event.kind,
      );
    }
  }

  crash(): void {
    if (this.#state === "dead") return;
    this.#state = "dead";
    this.#backlog = [];
    for (const end of this.#onEnd.splice(0)) end();
  }

  /** Called when it crashes. */
  onEnd(fn: () => void): void {
    this.#onEnd.push(fn);
  }
}
