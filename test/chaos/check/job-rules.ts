// I5: the state of a job only goes forward, and a terminal one never changes. I2 (first half): a job that succeeds has process and merge
// ledgers whose done intervals tile what was planned, exactly. I4: its state, its commit and the head move in one revision. I9 (second half):
// an owner's key never goes from one replica to another without a delete in between.

import { fromBinary } from "@bufbuild/protobuf";
import { api, state } from "@sheaf/proto";
import { KEYS } from "../keeper.ts";
import type { KeyChange, Revision, Store } from "./replay.ts";
import type { Findings } from "./verdict.ts";

const { SUCCEEDED, FAILED, STOPPED, INCONSISTENT } = api.JobState;
const TERMINAL: readonly number[] = [SUCCEEDED, FAILED, STOPPED, INCONSISTENT];

export class JobRules {
  readonly #findings: Findings;
  /** State that each job was left in, by its key. */
  readonly states = new Map<string, api.JobState>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  each(revision: Revision, before: Store): void {
    for (const change of revision.changes) {
      const parsed = KEYS.parse(change.key);
      if (parsed?.of === "job") this.#job(revision, change, parsed.job, parsed.pipeline, before);
      else if (parsed?.of === "owner" || parsed?.of === "merge-owner") this.#owner(revision, change);
    }
  }

  #job(revision: Revision, { key, before: old, now }: KeyChange, job: string, pipeline: string, before: Store): void {
    const { rev } = revision;
    this.#findings.check(now !== undefined, "I5", () => `${key} was deleted at revision ${rev}`);
    if (now === undefined) return;
    const record = fromBinary(state.JobRecordSchema, now.value);
    const was = old && fromBinary(state.JobRecordSchema, old.value).state;
    this.states.set(key, record.state);
    const forward = was === undefined || (TERMINAL.includes(was) ? record.state === was : record.state >= was);
    this.#findings.check(forward, "I5", () => `${key} went from state ${was} to ${record.state} at revision ${rev}`);
    if (record.state !== SUCCEEDED || was === SUCCEEDED) return;

    for (const [kind, n] of [
      ["process", Number(record.datums)],
      ["merge", record.shards],
    ] as const) {
      const gap = gapIn(before, job, kind, n);
      this.#findings.check(
        gap === null,
        "I2",
        () => `${key} succeeded at revision ${rev} with its ${kind} ledger at ${gap}`,
      );
    }
    const put = (wanted: string) => revision.changes.find((change) => change.key === wanted)?.now;
    const head = put(KEYS.head(pipeline, record.outputBranch));
    const moved = head !== undefined && fromBinary(state.HeadRecordSchema, head.value).commit === record.outputCommit;
    const whole = moved && put(KEYS.commit(pipeline, record.outputCommit)) !== undefined;
    this.#findings.check(whole, "I4", () => `${key} succeeded at revision ${rev} without its head and commit`);
  }

  #owner({ rev }: Revision, { key, before, now }: KeyChange): void {
    if (before === undefined || now === undefined) return;
    const [from, to] = [before, now].map(({ value }) => fromBinary(state.OwnerRecordSchema, value).replica);
    this.#findings.check(
      from === to,
      "I9",
      () => `${key} went from ${from} to ${to} at revision ${rev}, without a delete`,
    );
  }
}

/** What keeps the done intervals from tiling [0, n); null: they do. */
function gapIn(store: Store, job: string, kind: "process" | "merge", n: number): string | null {
  const prefix = KEYS.dones(job, kind);
  const done = [...store.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ key, value }) => ({
      start: Number(key.slice(prefix.length)),
      end: Number(fromBinary(state.DoneRecordSchema, value).end),
    }))
    .sort((a, b) => a.start - b.start);
  let at = 0;
  for (const { start, end } of done) {
    if (start !== at) return `${at} of ${n}: the next done interval is [${start}, ${end})`;
    at = end;
  }
  return at === n ? null : `${at} of ${n}`;
}
