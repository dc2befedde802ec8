// How fast it was: what the journals say of the time between a fault and the moment when work went on. Seconds.

import type { NemesisEntry } from "../nemesis.ts";
import { PIPELINES } from "../pipelines.ts";
import { fileOf, type Note } from "./notes.ts";
import type { ClaimSpan, Timeline } from "./timeline.ts";

export interface Figures {
  readonly faults: Readonly<Record<string, number>>;
  readonly kills: number;
  /** SIGKILL of a worker, to its claim being free; and to a datum of the claim in its work that runs on another of its pool. */
  readonly killedToFree: readonly number[];
  readonly killedToRunning: readonly number[];
  /** The same where it was alone in its pool, so that the other had to be started first. */
  readonly killedToStarted: readonly number[];
  /** The same for a worker that is frozen or cut off for longer than SILENT_S. */
  readonly silentToRunning: readonly number[];
  /** SIGKILL of the owner of a pipeline, to the next owner; and to its first claim. */
  readonly ownerToOwner: readonly number[];
  readonly ownerToClaim: readonly number[];
  /** Executions that began, datums of jobs, and executions beyond the first that were no failed try. */
  readonly executions: number;
  readonly again: number;
}

const SILENT_S = 8;
/** Pools of one worker. */
const ALONE: ReadonlySet<string> = new Set(PIPELINES.filter(({ workers }) => workers === 1).map(({ name }) => name));
const S = 1e9;

export function figuresOf(timeline: Timeline, nemesis: readonly NemesisEntry[], notes: readonly Note[]): Figures {
  const begun = nemesis.filter(({ what }) => what === "begin");
  const lasted = ({ id, ns }: NemesisEntry) =>
    ((nemesis.find((entry) => entry.what === "end" && entry.id === id)?.ns ?? Number.POSITIVE_INFINITY) - ns) / S;
  const starts = Map.groupBy(
    notes.filter(({ word }) => word === "begin"),
    ({ job, file }) => `${job} ${file}`,
  );
  const toRunning = (faults: readonly NemesisEntry[], isOfPool: (pool: string) => boolean = () => true) =>
    faults.flatMap(({ ns, facts }) =>
      (facts?.workers ?? [])
        .filter(({ pool }) => isOfPool(pool))
        .flatMap(({ id }) => runningAgain(ns, id, timeline.claims, starts)),
    );
  const silent = begun.filter(
    (entry) => /^(freeze|cut-off)-worker$/.test(entry.kind ?? "") && lasted(entry) > SILENT_S,
  );
  const killed = begun.filter(({ kind }) => kind === "kill-worker" || kind === "kill-all-workers");
  const takeovers = begun
    .filter(({ kind }) => kind === "kill-master")
    .flatMap(({ ns, facts }) => takeoversAfter(ns, facts?.address ?? "", timeline));
  const failed = notes.filter(({ word }) => word === "fail").length;
  const executions = [...starts.values()].reduce((sum, { length }) => sum + length, 0);
  return {
    faults: countBy(begun.map(({ kind }) => kind ?? "")),
    kills: begun.filter(({ kind }) => kind?.startsWith("kill-")).length,
    killedToFree: killed.flatMap(({ ns, facts }) =>
      (facts?.workers ?? []).flatMap(({ id }) =>
        timeline.claims
          .filter((span) => span.worker === id && holds(span, ns))
          .map(({ untilNs }) => (untilNs - ns) / S),
      ),
    ),
    killedToRunning: toRunning(killed, (pool) => !ALONE.has(pool)),
    killedToStarted: toRunning(killed, (pool) => ALONE.has(pool)),
    silentToRunning: toRunning(silent),
    ownerToOwner: takeovers.map(({ owner }) => owner),
    ownerToClaim: takeovers.flatMap(({ claim }) => (claim === undefined ? [] : [claim])),
    executions,
    again: executions - starts.size - failed,
  };
}

/** Of the claims that a worker worked on at `ns`: how long until another began a datum of it. */
function runningAgain(
  ns: number,
  worker: string,
  claims: readonly ClaimSpan[],
  starts: ReadonlyMap<string, readonly Note[]>,
): number[] {
  const held = claims.filter((span) => span.worker === worker && span.kind === "process" && holds(span, ns));
  return held.flatMap(({ job, start, end }) => {
    const begins = Array.from(
      { length: end - start },
      (_, i) => starts.get(`${job} ${fileOf(start + i)}`) ?? [],
    ).flat();
    // One that waits behind another claim was not running before, either.
    if (!begins.some((note) => note.worker === worker && note.ns <= ns)) return [];
    const next = begins.filter((note) => note.worker !== worker && note.ns > ns).map((note) => note.ns);
    return next.length === 0 ? [] : [(Math.min(...next) - ns) / S];
  });
}

function holds({ fromNs, untilNs }: ClaimSpan, ns: number): boolean {
  return fromNs <= ns && ns < untilNs;
}

/** For each pipeline that the replica at `address` owned: when it was owned again, and when work was handed out again. */
function takeoversAfter(ns: number, address: string, { owners, claims, replicas }: Timeline) {
  const ids = replicas.get(address);
  return owners
    .filter((span) => ids?.has(span.replica) && span.fromNs <= ns && ns < span.untilNs)
    .flatMap(({ pipeline }) => {
      const next = owners.find((span) => span.pipeline === pipeline && span.fromNs > ns);
      if (next === undefined) return [];
      const claim = claims.find(
        (span) => span.pipeline === pipeline && span.kind !== "merge" && span.isNew && span.fromNs > next.fromNs,
      );
      return [{ owner: (next.fromNs - ns) / S, claim: claim && (claim.fromNs - ns) / S }];
    });
}

function countBy(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
