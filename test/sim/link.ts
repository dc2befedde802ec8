/**
 * One stream between a worker and a replica. Messages of one direction keep their order; each takes its time. A stream ends
 * when one side closes it or dies, and the other side is told, or (half open) never is.
 */
import { create } from "@bufbuild/protobuf";
import type { SessionStream } from "@sheaf/ledger";
import { dispatch } from "@sheaf/proto";
import type { Faults } from "./faults.ts";
import { type History, tellMessage } from "./history.ts";
import type { Process } from "./process.ts";

export type ToWorker = dispatch.SessionResponse["message"];
export type ToOwner = Exclude<dispatch.SessionRequest["message"], { case: undefined }>;

export interface WorkerEnd {
  readonly process: Process;
  onMessage(message: ToWorker): void;
  /** The stream is over, as far as the worker's side can know. */
  onOver(): void;
}

export class Link {
  readonly #worker: WorkerEnd;
  readonly #owner: Process;
  readonly #faults: Faults;
  readonly #history: History;
  /** Nothing arrives any more, and nobody is told. */
  #mute = false;
  /** What each side knows: it is over. */
  #overForWorker = false;
  #overForOwner = false;
  readonly #inbox: dispatch.SessionRequest[] = [];
  #waiting: ((result: IteratorResult<dispatch.SessionRequest>) => void) | null = null;
  /** When the last message of each direction arrives: the next one does not overtake it. */
  #upAt = 0;
  #downAt = 0;

  constructor(worker: WorkerEnd, owner: Process, faults: Faults, history: History) {
    this.#history = history;
    this.#worker = worker;
    this.#owner = owner;
    this.#faults = faults;
    owner.onEnd(() => this.#ownerDied());
    worker.process.onEnd(() => this.#workerDied());
  }

  get isOver(): boolean {
    return this.#overForOwner && this.#overForWorker;
  }

  /** What the dispatcher gets. */
  readonly stream: SessionStream = {
    requests: {
      [Symbol.asyncIterator]: () => ({
        next: () => this.#next(),
        return: async () => ({ done: true, value: undefined }),
      }),
    },
    send: ({ message }) => {
      if (this.#overForOwner) return Promise.reject(new Error("the stream is over"));
      this.#history.note(this.#owner.name, () => `-> ${this.#worker.process.name} ${tellMessage(message)}`);
      this.#down(() => {
        this.#history.note(this.#worker.process.name, () => `<- ${this.#owner.name} ${tellMessage(message)}`);
        this.#worker.onMessage(message);
      });
      return Promise.resolve();
    },
    close: () => {
      if (this.#overForOwner) return;
      this.#endForOwner();
      this.#down(() => this.#endForWorker());
    },
  };

  /** The worker says something. */
  say(message: ToOwner): void {
    if (this.#overForWorker) return;
    const request = create(dispatch.SessionRequestSchema, { message });
    this.#history.note(this.#worker.process.name, () => `-> ${this.#owner.name} ${tellMessage(message)}`);
    this.#up(() => {
      this.#history.note(this.#owner.name, () => `<- ${this.#worker.process.name} ${tellMessage(message)}`);
      this.#receive(request);
    });
  }

  /** The worker ends it. */
  hangUp(): void {
    if (this.#overForWorker) return;
    this.#overForWorker = true;
    this.#up(() => this.#endForOwner());
  }

  /** The network ends it: both sides are told, each at its own time; or nobody is. */
  cut(isSilent: boolean): void {
    this.#mute = true;
    if (isSilent) return;
    this.#owner.after(this.#faults.between(0, 50), () => this.#endForOwner());
    this.#worker.process.after(this.#faults.between(0, 50), () => this.#endForWorker());
  }

  #ownerDied(): void {
    this.#mute = true;
    this.#overForOwner = true;
    if (!this.#faults.strikes("half-open", 2)) {
      this.#worker.process.after(this.#faults.between(0.1, 50), () => this.#endForWorker());
    }
  }

  #workerDied(): void {
    this.#mute = true;
    this.#overForWorker = true;
    if (!this.#faults.strikes("half-open", 2)) {
      this.#owner.after(this.#faults.between(0.1, 50), () => this.#endForOwner());
    }
  }

  #up(fn: () => void): void {
    this.#upAt = this.#sent(this.#owner, this.#upAt, fn);
  }

  #down(fn: () => void): void {
    this.#downAt = this.#sent(this.#worker.process, this.#downAt, fn);
  }

  /** Returns when it arrives. */
  #sent(to: Process, notBefore: number, fn: () => void): number {
    const now = to.clock.now();
    const at = Math.max(now + this.#way(), notBefore);
    to.after(at - now, () => {
      if (!this.#mute) fn();
    });
    return at;
  }

  #way(): number {
    return this.#faults.strikes("slow-net", 2) ? this.#faults.between(5, 3_000) : this.#faults.between(0.1, 2);
  }

  #receive(request: dispatch.SessionRequest): void {
    if (this.#overForOwner) return;
    if (this.#waiting === null) this.#inbox.push(request);
    else this.#answer({ done: false, value: request });
  }

  #next(): Promise<IteratorResult<dispatch.SessionRequest>> {
    const value = this.#inbox.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#overForOwner) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #answer(result: IteratorResult<dispatch.SessionRequest>): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(result);
  }

  #endForOwner(): void {
    this.#overForOwner = true;
    this.#answer({ done: true, value: undefined });
  }

  #endForWorker(): void {
    if (this.#overForWorker) return;
    this.#overForWorker = true;
    this.#worker.onOver();
  }
}
