/**
 * Handlers: a function of the user's, called for each datum, in a thread of its own per seat. The thread ends with its job,
 * with a datum that must be stopped (no other way stops a loop), and when it has had nothing to do for a while.
 *
 * H1. One datum is out at a time. The next goes out in the turn in which the last comes back.
 * H2. A thread that ends costs the datum that was out a try, as a command's end does. A stop does not wait for ever: a
 *     thread that hangs in a system call is left to itself, and another takes its place.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker as Thread } from "node:worker_threads";
import { type Clock, type Logger, messageOf, type Timer } from "@sheaf/runtime";
import { fitMessage } from "../datum/outcome.ts";
import { YOUNG_GENERATION_MB } from "../engine/new-thread.ts";
import type { Run } from "../launcher/slot.ts";
import type { DatumRun, TryEnded, Waiting } from "../process/datum-run.ts";
import type { ProcessJob } from "../process/job.ts";
import type { FromHandler, HandlerData, ToHandler } from "./messages.ts";

const IDLE_MS = 5_000;
/** Of a handler's JavaScript heap. */
const HEAP_MB_MAX = 1_024;

export interface HandlerSeatOptions {
  readonly waiting: Waiting;
  /** The environment of a thread, beside what its job sets. */
  readonly env: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** A thread that has to stop has so long to do so. */
  readonly graceMs: number;
  readonly log: Logger;
  /** It has become free, and took nothing itself. */
  readonly onFree: () => void;
}

interface Out {
  readonly run: DatumRun;
  readonly number: number;
  timeout: Timer | undefined;
  /** Why the thread is being ended under it. */
  stop: TryEnded | undefined;
}

interface Life {
  readonly job: ProcessJob;
  readonly thread: Thread;
  readonly port: MessagePort;
  out: Out | undefined;
  isGone: boolean;
  /** What ended it, if it was an error. */
  error: unknown;
  timer: Timer | undefined;
}

export class HandlerSeat {
  readonly #options: HandlerSeatOptions;
  #life: Life | undefined;
  #numbers = 0;

  constructor(options: HandlerSeatOptions) {
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#life?.out !== undefined;
  }

  /** Takes the next datum of the job. It must not be busy. */
  begin(job: ProcessJob, module: string): void {
    const run = this.#options.waiting.next({ job, mode: job.mode });
    if (run === undefined) return;
    if (this.#life?.job !== job) {
      this.#endThread();
      this.#life = this.#newLife(job, module);
    }
    this.#hand(this.#life, run);
  }

  kill(run: Run): void {
    const life = this.#life;
    if (life?.out?.run === run) this.#stop(life, life.out, { kind: "killed" });
  }

  close(): void {
    this.#life?.out?.timeout?.cancel();
    this.#endThread();
  }

  #newLife(job: ProcessJob, module: string): Life {
    const { port1: port, port2 } = new MessageChannel();
    const data: HandlerData = { module, port: port2 };
    const env = { ...this.#options.env, ...job.work.spec?.transform?.env };
    const thread = new Thread(new URL("./thread.ts", import.meta.url), {
      workerData: data,
      transferList: [port2],
      env,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX, maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      stdout: true,
      stderr: true,
    });
    const life: Life = { job, thread, port, out: undefined, isGone: false, error: undefined, timer: undefined };
    port.on("message", (message: FromHandler) => this.#onMessage(life, message));
    thread.on("error", (error) => {
      life.error = error;
    });
    thread.on("exit", (code) => this.#onGone(life, code));
    return life;
  }

  #hand(life: Life, run: DatumRun): void {
    life.timer?.cancel();
    const out: Out = { run, number: ++this.#numbers, timeout: undefined, stop: undefined };
    life.out = out;
    if (run.timeoutMs !== undefined) {
      out.timeout = this.#options.clock.timer(run.timeoutMs, () => this.#stop(life, out, { kind: "timed-out" }));
    }
    run.started();
    life.port.postMessage(messageFor(run, out.number));
  }

  #onMessage(life: Life, message: FromHandler): void {
    const { out } = life;
    if (this.#life !== life) return;
    if (message.t === "output") {
      if (out !== undefined) out.run.output(message.stream, Buffer.from(message.bytes));
      else this.#options.log.debug({ job: life.job.work.job }, "a handler printed something while it had no datum");
      return;
    }
    if (out === undefined || out.number !== message.number || out.stop !== undefined) return;
    this.#back(life, out);
    // H1, but for one that failed: it may have filled the disk for all.
    if (message.t !== "failed") this.#take(life);
    out.run.ended(endOf(message));
    if (message.t === "failed") this.#take(life);
  }

  #back(life: Life, out: Out): void {
    out.timeout?.cancel();
    life.out = undefined;
    out.run.exited();
  }

  #take(life: Life): void {
    const { waiting, clock, onFree } = this.#options;
    if (life.isGone) return;
    const run = waiting.next({ job: life.job, mode: life.job.mode });
    if (run !== undefined) return this.#hand(life, run);
    life.timer?.cancel();
    life.timer = clock.timer(IDLE_MS, () => this.#endThread());
    // It may be another job's turn.
    onFree();
  }

  #stop(life: Life, out: Out, why: TryEnded): void {
    const { clock, graceMs, log } = this.#options;
    if (life.out !== out || out.stop !== undefined) return;
    out.stop = why;
    void life.thread.terminate();
    life.timer = clock.timer(graceMs, () => {
      log.warn({ job: life.job.work.job }, "a handler's thread hangs in a system call: it is left to itself");
      this.#onGone(life, 1);
    });
  }

  /** H2. */
  #onGone(life: Life, code: number): void {
    if (this.#life !== life) return;
    life.isGone = true;
    // What it said last.
    for (let last = receiveMessageOnPort(life.port); last !== undefined; last = receiveMessageOnPort(life.port)) {
      this.#onMessage(life, last.message);
    }
    this.#life = undefined;
    life.timer?.cancel();
    life.port.close();
    const { out } = life;
    if (out !== undefined) {
      this.#back(life, out);
      out.run.ended(out.stop ?? endOfThread(life.error, code));
    } else if (life.error !== undefined) {
      const message =
        "a handler's thread was ended by an error while it had no datum: it did not await all that it began";
      this.#options.log.warn({ job: life.job.work.job, err: life.error }, message);
    }
    this.#options.onFree();
  }

  #endThread(): void {
    const life = this.#life;
    this.#life = undefined;
    life?.timer?.cancel();
    life?.port.close();
    void life?.thread.terminate();
  }
}

function messageFor({ datum, command, held }: DatumRun, number: number): ToHandler {
  const { folder, env } = command;
  const inputs = datum.inputs.map(({ name, path }) => ({ name, path }));
  return { number, id: datum.id, inputs, folder, held: held?.files, env: Object.fromEntries(env) };
}

function endOf(message: Exclude<FromHandler, { t: "output" }>): TryEnded {
  if (message.t === "failed") return failed(message.reason, message.message);
  if (message.files === undefined) return { kind: "exited", status: 0, why: "" };
  return { kind: "wrote", files: message.files };
}

function endOfThread(error: unknown, code: number): TryEnded {
  if (error === undefined) return failed("HANDLER_EXITED", `the handler ended its thread with exit code ${code}`);
  const isMemory = error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
  if (isMemory) return failed("OOM", `the handler used more than ${HEAP_MB_MAX} MiB of JavaScript heap`);
  return failed("HANDLER_CRASHED", `the handler's thread was ended by an error: ${messageOf(error)}`);
}

function failed(reason: string, message: string): TryEnded {
  return { kind: "failed", failure: { reason, message: fitMessage(message) } };
}
