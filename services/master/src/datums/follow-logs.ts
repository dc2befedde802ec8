/**
 * The logs of a job while it goes on: lines of datums that run, as their workers send them, and the logs of datums that are done, from the
 * store. The second make up for whatever the first have missed.
 *
 * F1. Nothing is told twice: what was told of a log is known by LogLine.end, and a datum that is done is told once.
 * F2. Nothing is missing: what live lines bring begins at the begin of a log (ledger: Follower), in order; of a datum that is done, all that was
 *     not told live comes from its log.
 * F3. Memory is bounded: lines that wait for a caller who does not read, up to INBOX_BYTES. Beyond it the call is cut; its caller may go on
 *     with its token.
 */
import type { LiveLines } from "@sheaf/ledger";
import type { store } from "@sheaf/proto";
import type { Clock } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { Change } from "../change.ts";
import type { DoneRun } from "./done-runs.ts";
import { type DatumLine, isInRange, isLineWanted, isOfWorker, type LogFilter } from "./log-filter.ts";
import { type DatumLog, logsOf } from "./logs.ts";
import type { Told } from "./told.ts";

const INBOX_BYTES = 4 * 1024 * 1024;
const LINE_OVERHEAD = 128;
/** The runs of a job are looked at no more often. */
const LOOK_MS = 500;
/** A sign of life is given this often, or a caller of a quiet job could not tell it from a master that is gone. */
const ALIVE_MS = 5_000;

/** Live lines that wait to be told. */
export class Inbox {
  readonly #job: string;
  readonly #onFull: () => void;
  readonly #onLines: () => void;
  #waiting: LiveLines[] = [];
  #bytes = 0;
  #isFull = false;

  /** `onFull` is called once. */
  constructor(job: string, on: { readonly lines: () => void; readonly full: () => void }) {
    this.#job = job;
    this.#onLines = on.lines;
    this.#onFull = on.full;
  }

  readonly put = (lines: LiveLines): void => {
    if (lines.job !== this.#job || this.#isFull) return;
    for (const { text } of lines.live.lines) this.#bytes += text.length + LINE_OVERHEAD;
    this.#isFull = this.#bytes > INBOX_BYTES;
    if (this.#isFull) this.#waiting = [];
    else this.#waiting.push(lines);
    if (this.#isFull) this.#onFull();
    else this.#onLines();
  };

  take(): LiveLines[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    return taken;
  }
}

export interface Followed {
  readonly store: Store;
  readonly clock: Clock;
  readonly filter: LogFilter;
  readonly told: Told;
  readonly inbox: Inbox;
  /** Happens when lines come in, when the job has changed, and when the call is to end. */
  readonly change: Change;
  /** The job as it is now. Throws what ends the call. */
  readonly look: () => Promise<{ readonly runs: readonly DoneRun[]; readonly isOver: boolean }>;
  /** Throws what ends the call. */
  readonly check: () => void;
  /** Whether the job has changed since this was asked. */
  readonly hasChanged: () => boolean;
}

/** A line; or that nothing more comes for now; or the same, and that the caller is to hear of it in any case. */
export type Telling = DatumLine | "all told" | "alive";

/** Ends with the job. */
export async function* followLogs(followed: Followed): AsyncGenerator<Telling, void, void> {
  const { clock, told, inbox, change, look, check, hasChanged, filter, store } = followed;
  let aliveAt = Number.NEGATIVE_INFINITY;
  for (let lookedAt = Number.NEGATIVE_INFINITY, isDue = true; ; ) {
    check();
    for (const lines of inbox.take()) yield* liveOf(lines, told, filter);
    isDue = hasChanged() || isDue;
    const waitMs = lookedAt + LOOK_MS - clock.now();
    if (isDue && waitMs <= 0) {
      lookedAt = clock.now();
      isDue = false;
      const { runs, isOver } = await look();
      for (const run of runs) {
        if (told.areDone(run)) continue;
        for await (const log of logsOf(store, run, filter)) yield* doneOf(log, told, filter);
        told.done(run);
      }
      if (isOver) return;
      continue;
    }
    const isQuiet = clock.now() - aliveAt >= ALIVE_MS;
    yield isQuiet ? "alive" : "all told";
    if (isQuiet) aliveAt = clock.now();
    await change.next({ clock, ms: isDue ? waitMs : ALIVE_MS });
  }
}

/** F1. */
function* liveOf({ worker, live }: LiveLines, told: Told, filter: LogFilter): Generator<DatumLine, void, void> {
  const name = { index: Number(live.index), worker, log: live.log };
  if (told.isDone(name.index) || !isInRange(filter, name.index)) return;
  yield* freshOf(live.lines, name, told, filter);
}

/** F2. */
function* doneOf(log: DatumLog, told: Told, filter: LogFilter): Generator<DatumLine, void, void> {
  if (told.isDone(log.index)) return;
  yield* freshOf(log.lines, log, told, filter);
  told.done({ from: log.index, to: log.index + 1 });
}

function* freshOf(
  lines: Iterable<store.LogLine>,
  name: { readonly index: number; readonly worker: string; readonly log: bigint },
  told: Told,
  filter: LogFilter,
): Generator<DatumLine, void, void> {
  const before = told.endOf(name) ?? -1n;
  for (const line of lines) {
    if (line.end <= before) continue;
    told.toldUpTo(name, line.end);
    if (isOfWorker(filter, name.worker) && isLineWanted(filter, line)) {
      yield { datum: name.index, worker: name.worker, line };
    }
  }
}
