/**
 * Datum batching: a command that is started once in a slot and takes datum after datum (line.ts says how). It runs on the
 * slot's launcher like any other, so isolation, kills and its environment are the same.
 *
 *     off -> [start] -> on: datum out <-> datum in -> [end of input, kill, or its own end] -> off
 *
 * T1. One datum is out at a time, and the next goes out in the very turn of the event loop in which the answer is read, from
 *     those that are downloaded already. So who broke it off is never in doubt (L9), and a datum that waits has not been started: it
 *     can be given back.
 * T2. What the command wrote until it answered belongs to that datum. It lay in the pipes before the answer did, so the poll
 *     that brings the answer brings it too, before or after: the datum is in when that poll is over. Two datums out at a
 *     time would be a little faster, and nobody could tell whose a line is.
 * T3. A command that ends with a datum out costs that datum a try, whatever its exit code. One that had answered others
 *     and had not taken this one has done its part (some programs end themselves now and then): the datum just goes to the
 *     next. One that ends without any answer is started again after a wait that grows, and the datum that it was to take
 *     pays each time: there is no endless loop.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type Clock, messageOf, type Timer } from "@sheaf/runtime";
import { jobEnvironment } from "../datum/environment.ts";
import { type Failure, fitMessage } from "../datum/outcome.ts";
import type { Ended, Run } from "../launcher/slot.ts";
import type { DatumRun, TryEnded, Waiting } from "../process/datum-run.ts";
import type { ProcessJob } from "../process/job.ts";
import type { GivenFolders } from "../scratch/given-folders.ts";
import { Channel } from "./channel.ts";
import { type Answer, badAnswer, parseAnswer } from "./line.ts";

/** A command that has had nothing to do for so long gets the end of its input. */
const IDLE_MS = 5_000;
const WAIT_MS_MIN = 100;
const WAIT_MS_MAX = 5_000;
/** What is kept of that which a command writes while it has no datum. */
const STRAY_CHARS_MAX = 2_048;

export interface BatchOptions {
  /** Folders of its commands are made in here, or there if they are another user's. */
  readonly folder: string;
  readonly given: GivenFolders;
  readonly waiting: Waiting;
  readonly clock: Clock;
  /** From the end of its input, a command has so long to end. */
  readonly graceMs: number;
  /** Of the slot that it runs on. */
  readonly kill: (run: Run) => void;
  /** The command, if it has begun, goes on with the datum in that folder. */
  readonly point: (run: Run, folder: string) => void;
  /** The slot may ask again. */
  readonly onFree: () => void;
  /** A command wrote this while it had no datum. */
  readonly onStray: (text: string) => void;
}

type Answered = Exclude<Answer, { kind: "nonsense" }>;

/** A datum that is out. */
interface Out {
  readonly run: DatumRun;
  readonly number: number;
  timeout: Timer | undefined;
  /** It has been answered; what it wrote may not have been read yet. */
  answer: Answered | undefined;
  /** Why the command is being killed under it. */
  stop: TryEnded | undefined;
}

interface Life {
  readonly job: ProcessJob;
  readonly channel: Channel;
  /** Of the command, on the slot. */
  readonly run: Run;
  out: Out | undefined;
  answers: number;
  isEnding: boolean;
  /** What it wrote while it had no datum. */
  stray: string;
  /** Ends a command that has nothing to do, or does not end. */
  timer: Timer | undefined;
}

export class Batch {
  readonly #options: BatchOptions;
  #life: Life | undefined;
  #lives = 0;
  #numbers = 0;
  #lastJob: ProcessJob | undefined;
  #waitMs = 0;
  #pause: Timer | undefined;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  /** A command runs, with or without a datum. */
  get isOn(): boolean {
    return this.#life !== undefined;
  }

  /** The command of the job, to be run on the slot, with its first datum at hand. Undefined: not now. */
  start(job: ProcessJob): Run | undefined {
    if (this.#life !== undefined || this.#pause !== undefined) return undefined;
    const first = this.#options.waiting.next({ job, mode: job.mode });
    if (first === undefined) return undefined;
    try {
      this.#life = this.#newLife(first);
    } catch (error) {
      first.started();
      first.exited();
      this.#rest();
      first.ended({ kind: "lost", detail: messageOf(error) });
      return undefined;
    }
    this.#hand(this.#life, first);
    return this.#life.run;
  }

  /** There may be another datum. */
  poke(): void {
    if (this.#life !== undefined) this.#take(this.#life);
  }

  /** Ends the try, and the command with it. */
  kill(run: Run): void {
    const life = this.#life;
    if (life?.out?.run === run) this.#stop(life, life.out, { kind: "killed" });
  }

  /** The slot is closed, and nobody is told. */
  close(): void {
    this.#pause?.cancel();
    this.#life?.timer?.cancel();
    this.#life?.out?.timeout?.cancel();
    this.#life?.channel.close();
    this.#life = undefined;
  }

  #newLife(first: DatumRun): Life {
    const { clock } = this.#options;
    const { job, command } = first;
    if (job !== this.#lastJob) this.#waitMs = 0;
    this.#lastJob = job;
    const own = `${this.#options.folder}/${this.#lives++}`;
    mkdirSync(dirname(own), { recursive: true });
    const { path, seen: folder } = job.user === undefined ? { path: own, seen: own } : this.#options.given.reserve();
    const onLine = (line: string) => this.#onLine(life, line);
    const channel = new Channel({ folder: path, seen: folder, user: job.user, clock, onLine });
    const run: Run = {
      command: { ...command, folder, datum: command.folder, env: new Map([...environmentOf(job), ...channel.env]) },
      timeoutMs: undefined,
      started: () => {},
      exited: () => this.#onExited(life),
      output: (stream, bytes) => {
        if (life.out !== undefined) life.out.run.output(stream, bytes);
        else life.stray += bytes.toString("utf8", 0, STRAY_CHARS_MAX - life.stray.length);
      },
      ended: (ended) => this.#onEnded(life, ended),
    };
    const none = { out: undefined, answers: 0, isEnding: false, stray: "", timer: undefined };
    const life: Life = { job, channel, run, ...none };
    return life;
  }

  // ---- datums out and in

  #hand(life: Life, run: DatumRun): void {
    const { clock } = this.#options;
    life.timer?.cancel();
    const out: Out = { run, number: ++this.#numbers, timeout: undefined, answer: undefined, stop: undefined };
    life.out = out;
    if (run.timeoutMs !== undefined) {
      out.timeout = clock.timer(run.timeoutMs, () => this.#stop(life, out, { kind: "timed-out" }));
    }
    const known = life.run.command.env;
    const own = [...run.command.env].filter(([name, value]) => known.get(name) !== value);
    run.started();
    try {
      this.#options.point(life.run, run.command.folder);
      life.channel.send(out.number, own);
    } catch (error) {
      // No room for the variables. The slot may be about to start the command: it can be killed once it has been.
      out.stop = { kind: "lost", detail: messageOf(error) };
      setImmediate(() => this.#kill(life));
    }
  }

  #onLine(life: Life, line: string): void {
    const { out } = life;
    const answer = parseAnswer(line);
    if (out?.stop !== undefined) return;
    if (out === undefined || answer.kind === "nonsense" || answer.number !== out.number) {
      return this.#onBadAnswer(life, line);
    }
    if (out.answer !== undefined) return this.#onBadAnswer(life, line);
    out.answer = answer;
    out.timeout?.cancel();
    life.answers++;
    this.#waitMs = 0;
    setImmediate(() => this.#back(life, out, answer)); // T2
  }

  /** The datum is in. */
  #back(life: Life, out: Out, answer: Answered): void {
    if (this.#life !== life || life.out !== out || out.stop !== undefined) return;
    life.out = undefined;
    out.run.exited();
    const end = endOf(answer, life.job.accepted);
    // T1: the next goes out before this one is looked at, but for one that failed: it may have filled the disk for all.
    if (end.kind === "exited") this.#take(life);
    out.run.ended(end);
    if (end.kind !== "exited") this.#take(life);
  }

  #take(life: Life): void {
    const { waiting, clock } = this.#options;
    if (life.out !== undefined || life.isEnding) return;
    const run = waiting.next({ job: life.job, mode: life.job.mode });
    if (run !== undefined) return this.#hand(life, run);
    if (waiting.upcoming !== undefined) return this.#endInput(life);
    life.timer?.cancel();
    life.timer = clock.timer(IDLE_MS, () => this.#endInput(life));
  }

  /** A command that answers what it was not asked may answer for the wrong datum next. */
  #onBadAnswer(life: Life, line: string): void {
    const { out } = life;
    const known = out && { number: out.number, isAnswered: out.answer !== undefined };
    const message = fitMessage(badAnswer(line, known));
    if (out !== undefined) return this.#stop(life, out, failed("BAD_ANSWER", message));
    life.stray = message;
    this.#kill(life);
  }

  // ---- the end of a command

  #endInput(life: Life): void {
    life.isEnding = true;
    life.channel.end();
    life.timer?.cancel();
    life.timer = this.#options.clock.timer(this.#options.graceMs, () => this.#kill(life));
  }

  #stop(life: Life, out: Out, why: TryEnded): void {
    if (life.out !== out || out.stop !== undefined) return;
    out.stop = why;
    this.#kill(life);
  }

  #kill(life: Life): void {
    life.isEnding = true;
    life.timer?.cancel();
    this.#options.kill(life.run);
  }

  #onExited(life: Life): void {
    life.isEnding = true;
    life.timer?.cancel();
    life.out?.timeout?.cancel();
  }

  /** T3. */
  #onEnded(life: Life, ended: Ended): void {
    const { out } = life;
    // Its answer may have come with its end.
    if (out?.answer !== undefined) this.#back(life, out, out.answer);
    const isTaken = life.channel.isTaken;
    life.channel.close();
    this.#life = undefined;
    if (life.stray !== "") this.#options.onStray(life.stray);
    if (life.answers === 0 && out?.stop === undefined) this.#rest();
    if (out === undefined || life.out !== out) return;
    out.run.exited();
    if (out.stop !== undefined) return out.run.ended(out.stop);
    out.run.ended(!isTaken && life.answers > 0 ? { kind: "killed" } : brokenOff(ended, isTaken, life.job.accepted));
  }

  /** No command is started for a while that grows with each that has done nothing. */
  #rest(): void {
    this.#waitMs = Math.min(Math.max(WAIT_MS_MIN, this.#waitMs * 2), WAIT_MS_MAX);
    this.#pause = this.#options.clock.timer(this.#waitMs, () => {
      this.#pause = undefined;
      this.#options.onFree();
    });
  }
}

/** What the command is given at its start: all that is the same for every datum of the job. */
function environmentOf({ work, user }: ProcessJob): [string, string][] {
  return [
    ...jobEnvironment(work, user),
    ["SHEAF_JOB_ID", work.job],
    ["SHEAF_PIPELINE", work.pipeline],
    ["PACH_JOB_ID", work.job],
    ["PACH_OUTPUT_COMMIT_ID", work.outputCommit],
  ];
}

function endOf(answer: Answered, accepted: ReadonlySet<number>): TryEnded {
  if (answer.kind === "ok" || accepted.has(answer.code)) return { kind: "exited", status: 0, why: "" };
  const { code, message } = answer;
  const said = `the command answered that it failed with code ${code}`;
  return failed(`EXIT_${code}`, fitMessage(message === "" ? said : `${said}: ${message}`));
}

/** Exit codes that would mean success mean none here. */
function brokenOff(ended: Ended, isTaken: boolean, accepted: ReadonlySet<number>): TryEnded {
  if (ended.kind !== "exited" || ended.why !== "") return ended;
  const { status } = ended;
  if (status !== 0 && !accepted.has(status)) return ended;
  const missed = isTaken ? "before it had answered for the datum" : "and never took a datum from $SHEAF_DATUMS";
  return failed("NO_ANSWER", `the command ended with exit code ${status} ${missed}`);
}

function failed(reason: Failure["reason"], message: string): TryEnded {
  return { kind: "failed", failure: { reason, message } };
}
