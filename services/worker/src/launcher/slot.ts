/**
 * A slot: one command at a time, one after another, on a launcher that is started again when it dies.
 *
 * S1. A command's end is told when nothing of it is alive and all that it wrote has been read. The launcher says `exit`
 *     after its sweep; what the command wrote lay in the pipes before that, so one whole turn of the event loop later it
 *     has been read.
 * S2. The next command starts as soon as the launcher is free, before the last one's end is told: the pipes come in two
 *     pairs, and a pair is used again only when it has been read (S1). Not so after a command that has failed: who is told of that
 *     may want nothing to start for now, because the disk is full.
 * S3. A stop is SIGTERM to all, a grace, SIGKILL to all. An order is repeated until it has hit somebody, and nothing new
 *     starts before the last repetition is confirmed: it could hit the wrong command.
 */
import { constants } from "node:os";
import { type Clock, internal, messageOf, type Timer } from "@sheaf/runtime";
import type { Carriers, Launched } from "./carrier.ts";
import type { SlotCgroup } from "./cgroups.ts";
import type { Answer, Launcher, LauncherEvent, NotStarted, Stream } from "./launcher.ts";
import type { Command } from "./request.ts";

/** How a command ended. */
export type Ended =
  | {
      readonly kind: "exited";
      readonly status: number;
      readonly why: NotStarted;
      /** Whether the kernel ended a process of it for want of memory; absent: nobody can tell here. */
      readonly oom?: boolean;
    }
  | { readonly kind: "timed-out" }
  /** By `kill`. */
  | { readonly kind: "killed" }
  /** The launcher died under it. Nothing is known about the command but that it is dead. */
  | { readonly kind: "lost"; readonly detail: string };

/** A command that wants to run, and what listens to it. */
export interface Run {
  readonly command: Command;
  /** Absent: no limit. */
  readonly timeoutMs: number | undefined;
  started(): void;
  /** It runs no longer; what it wrote may not have been read yet. */
  exited(): void;
  output(stream: Stream, bytes: Buffer): void;
  ended(ended: Ended): void;
}

export interface SlotOptions {
  /** Its launchers get folders of their own in here. */
  readonly folder: string;
  /** Where its launchers come from; closed with it. */
  readonly carriers: Carriers;
  /** Where they and their commands run, if limits can be set; removed with it. */
  readonly cgroup: SlotCgroup | undefined;
  readonly clock: Clock;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** Asked whenever the launcher is free; after undefined, `poke` makes it ask again. */
  readonly next: () => Run | undefined;
  /** A launcher was lost, or could not be started again. */
  readonly onTrouble: (detail: string) => void;
  /** No launcher can be had any more: nothing will run here. */
  readonly onFailed: (detail: string) => void;
}

const REPEAT_MS = 500;
/** A launcher that has not ended a command this long after SIGKILL is stuck: it is replaced. */
const STUCK_MS = 10_000;
/** One that has answered no order by then has no killer any more: the command killed it. The launcher's end is the command's. */
const DEAF_MS = 500;
const RESTART_WAIT_MS = 500;
/** Half a minute of these: what keeps launchers from starting is not passing. */
const RESTARTS_MAX = 60;
/** The kernel's way to end what takes too much memory. */
const KILLED_STATUS = 128 + constants.signals.SIGKILL;

const REMOVE_TRIES = 100;
const REMOVE_WAIT_MS = 5;

const KILLED: Ended = { kind: "exited", status: KILLED_STATUS, why: "" };

interface Active {
  readonly n: number;
  readonly pair: number;
  readonly run: Run;
  timeout: Timer | undefined;
  stop: Stop | undefined;
  exit: { readonly status: number; readonly why: NotStarted; readonly oom?: boolean } | undefined;
}

interface Stop {
  readonly ended: Ended;
  order: "term" | "kill";
  /** The number of its last repetition, and what came of that; undefined: it is under way. */
  serial: number;
  answer: Answer | undefined;
  /** Any order was answered: there is somebody to carry them out. */
  heard: boolean;
  readonly killAt: number;
  timer: Timer | undefined;
}

type State =
  | { readonly t: "starting" }
  | { readonly t: "idle"; readonly launcher: Launcher }
  | { readonly t: "busy"; readonly launcher: Launcher; readonly active: Active }
  | { readonly t: "closed" };

export class Slot {
  readonly #options: SlotOptions;
  #state: State = { t: "starting" };
  /** The command that used each pair of pipes until they have been read. */
  readonly #pairs: [Active | undefined, Active | undefined] = [undefined, undefined];
  #count = 0;
  #lives = 0;

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  /** Starts its first launcher. Says how well it contains commands. */
  async start(): Promise<string> {
    const launched = await this.#launch();
    if (launched.ok) return launched.launcher.isolation;
    throw internal("NO_LAUNCHER", launched.detail);
  }

  /** There may be work now. */
  poke(): void {
    if (this.#state.t !== "idle") return;
    const pair = this.#pairs[0] === undefined ? 0 : 1;
    if (this.#pairs[pair] !== undefined || this.#pairs.some(hasFailed)) return;
    const run = this.#options.next();
    if (run !== undefined) this.#begin(this.#state.launcher, run, pair);
  }

  /** The command goes on with the datum in `folder`. */
  point(run: Run, folder: string): void {
    if (this.#state.t !== "busy" || this.#state.active.run !== run) return;
    this.#state.launcher.point(folder, run.command.inputs);
  }

  /** Stops the command, if it still runs: SIGTERM, grace, SIGKILL. It then ends as "killed". */
  kill(run: Run): void {
    if (this.#state.t === "busy" && this.#state.active.run === run) this.#stop(this.#state, { kind: "killed" });
  }

  /** Ends everything at once. Commands that ran are not told. */
  close(): void {
    const state = this.#state;
    this.#state = { t: "closed" };
    if (state.t === "busy") this.#forget(state.active);
    if (state.t === "busy" || state.t === "idle") state.launcher.close();
    const { carriers, cgroup } = this.#options;
    carriers.close();
    // What was killed may take a moment to be gone.
    for (let tries = 0; tries < REMOVE_TRIES && cgroup?.remove() === false; tries++) waitMs(REMOVE_WAIT_MS);
  }

  async #launch(): Promise<Launched> {
    const { folder, carriers, cgroup, clock } = this.#options;
    const life = this.#lives++;
    const onEvent = (event: LauncherEvent) => {
      if (life === this.#lives - 1) this.#onEvent(event);
    };
    const launched = await carriers.launch({ box: `${folder}/${life}`, cgroup, clock, onEvent });
    if (!launched.ok) return launched;
    if (this.#state.t === "closed") launched.launcher.close();
    else this.#state = { t: "idle", launcher: launched.launcher };
    return launched;
  }

  #begin(launcher: Launcher, run: Run, pair: number): void {
    const n = this.#count++;
    const active: Active = { n, pair, run, timeout: undefined, stop: undefined, exit: undefined };
    this.#pairs[pair] = active;
    const state = { t: "busy", launcher, active } as const;
    this.#state = state;
    run.started();
    try {
      launcher.run(n, pair, run.command);
    } catch (error) {
      return this.#onLost(`it cannot start a command: ${messageOf(error)}`);
    }
    if (run.timeoutMs !== undefined) {
      active.timeout = this.#options.clock.timer(run.timeoutMs, () => this.#stop(state, { kind: "timed-out" }));
    }
  }

  #onEvent(event: LauncherEvent): void {
    if (event.kind === "output") return this.#pairs[event.pair]?.run.output(event.stream, event.bytes);
    if (this.#state.t !== "busy") {
      if (event.kind === "lost") this.#onLost(event.detail);
      return;
    }
    const { active, launcher } = this.#state;
    if (event.kind === "lost") return this.#onLost(event.detail, event.withAll ? KILLED : undefined);
    if (event.kind === "did") {
      if (active.stop !== undefined) active.stop.heard = true;
      if (active.stop?.serial === event.serial) active.stop.answer = event.answer;
    } else if (event.n === active.n) {
      const oom = active.run.command.limits.memoryBytes === undefined ? undefined : this.#options.cgroup?.oomKilled();
      active.exit = { status: event.status, why: event.why, ...(oom !== undefined && { oom }) };
      // The order may be lost: the sweep at the end of a command takes the killer with it, and starts another.
      if (active.stop !== undefined && active.stop.answer === undefined)
        active.stop.serial = launcher.order(active.stop.order);
    }
    this.#settle(active);
  }

  /** The launcher is free when the command has ended and no order is under way (S3). */
  #settle(active: Active): void {
    const { exit, stop } = active;
    if (this.#state.t !== "busy" || exit === undefined) return;
    if (stop !== undefined && stop.answer === undefined) return;
    this.#state = { t: "idle", launcher: this.#state.launcher };
    this.#end(active, stop?.ended ?? { kind: "exited", ...exit });
    this.poke(); // S2
  }

  /** Tells the end when the pipes have been read: after one whole turn of the event loop (S1). */
  #end(active: Active, ended: Ended): void {
    this.#forget(active);
    active.run.exited();
    setImmediate(() =>
      setImmediate(() => {
        if (this.#pairs[active.pair] === active) this.#pairs[active.pair] = undefined;
        if (this.#state.t === "closed") return;
        active.run.ended(ended);
        this.poke();
      }),
    );
  }

  #forget(active: Active): void {
    active.timeout?.cancel();
    active.stop?.timer?.cancel();
  }

  #stop(state: State & { t: "busy" }, ended: Ended): void {
    const { active, launcher } = state;
    if (this.#state !== state || active.stop !== undefined || active.exit !== undefined) return;
    const { clock, graceMs } = this.#options;
    const serial = launcher.order("term");
    const killAt = clock.now() + graceMs;
    active.stop = { ended, order: "term", serial, answer: undefined, heard: false, killAt, timer: undefined };
    this.#repeat(state, active.stop);
  }

  /** S3. */
  #repeat(state: State & { t: "busy" }, stop: Stop): void {
    const { clock } = this.#options;
    const left = stop.killAt - clock.now();
    const wait = Math.min(REPEAT_MS, Math.max(left, 0) || REPEAT_MS);
    stop.timer = clock.timer(Math.max(wait, 1), () => {
      if (this.#state !== state) return;
      const limit = stop.killAt + (stop.heard ? STUCK_MS : DEAF_MS);
      if (clock.now() >= limit) return this.#onLost("it did not end a command after SIGKILL");
      // A command that has ended needs no stronger order, only the confirmation of the one under way.
      if (clock.now() >= stop.killAt && state.active.exit === undefined) stop.order = "kill";
      // Whoever has had SIGTERM shall not get it twice: many programs take the second for a demand to end at once.
      if (stop.order === "kill" || stop.answer !== "hit") {
        stop.serial = state.launcher.order(stop.order);
        stop.answer = undefined;
      }
      this.#repeat(state, stop);
    });
  }

  /** `ended`: how the command that ran ended with it, if that is known. */
  #onLost(detail: string, ended: Ended = { kind: "lost", detail }): void {
    const state = this.#state;
    if (state.t === "closed" || state.t === "starting") return;
    this.#state = { t: "starting" };
    state.launcher.close();
    this.#options.onTrouble(detail);
    // What a pair still held can never be read to its end: the pipes are gone with the launcher.
    this.#pairs.fill(undefined);
    if (state.t === "busy") {
      this.#forget(state.active);
      state.active.run.exited();
      state.active.run.ended(state.active.stop?.ended ?? ended);
    }
    void this.#relaunch();
  }

  async #relaunch(): Promise<void> {
    const { onTrouble, onFailed, clock } = this.#options;
    for (let tries = 1; this.#state.t === "starting"; tries++) {
      const launched = await this.#launch().catch(failedBy);
      if (launched.ok) break;
      if (launched.isFinal || tries === RESTARTS_MAX) return onFailed(launched.detail);
      onTrouble(launched.detail);
      await clock.sleep(RESTART_WAIT_MS);
    }
    this.poke();
  }
}

/** Of a command whose end is still to be told. */
function hasFailed(active: Active | undefined): boolean {
  return active?.exit !== undefined && (active.exit.status !== 0 || active.stop !== undefined);
}

function failedBy(error: unknown): Launched & { readonly ok: false } {
  return { ok: false, detail: messageOf(error), isFinal: false };
}

function waitMs(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
