// Artefacts of a run that never was: a whole small job, in which a test can then break one thing.

import { create, toBinary } from "@bufbuild/protobuf";
import { api, state } from "@sheaf/proto";
import type { EtcdEntry } from "../etcd-log.ts";
import { KEYS } from "../keeper.ts";
import type { HistoryEntry } from "../workload.ts";
import type { Artefacts } from "./check.ts";

export const JOB = "job1";
export const PIPELINE = "count";
export const at = {
  owner: KEYS.owner(PIPELINE),
  mergeOwner: KEYS.mergeOwner(PIPELINE),
  job: KEYS.job(PIPELINE, JOB),
  meta: KEYS.ledgerMeta(JOB, "process"),
  claim: (id: string) => KEYS.claim(JOB, "process", id),
  done: (start: number) => KEYS.done(JOB, "process", start),
  head: KEYS.head(PIPELINE, "master"),
  commit: KEYS.commit(PIPELINE, "out1"),
};

/** A store that keeps what etcd keeps of a key, and writes its own log. */
export class Forge {
  readonly entries: EtcdEntry[] = [{ ns: 0, rev: 1, snapshot: 0 }];
  readonly #keys = new Map<string, { create: number; version: number }>();
  rev = 1;

  /** One revision: a value puts a key, null deletes it. */
  write(changes: Readonly<Record<string, Uint8Array | null>>, lease = "7"): number {
    const rev = ++this.rev;
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) {
        this.#keys.delete(key);
        this.entries.push({ ns: rev * 1e9, rev, delete: key });
        continue;
      }
      const { create, version } = this.#keys.get(key) ?? { create: rev, version: 0 };
      this.#keys.set(key, { create, version: version + 1 });
      const text = Buffer.from(value).toString("base64");
      this.entries.push({ ns: rev * 1e9, rev, put: key, value: text, create, version: version + 1, lease });
    }
    return rev;
  }
}

export const owner = (replica: string) =>
  toBinary(state.OwnerRecordSchema, create(state.OwnerRecordSchema, { version: 1, replica }));
export const meta = (n: number) =>
  toBinary(state.LedgerMetaSchema, create(state.LedgerMetaSchema, { version: 1, n: BigInt(n), pipeline: PIPELINE }));
export const claim = (start: number, end: number, worker = "w1") =>
  toBinary(
    state.ClaimRecordSchema,
    create(state.ClaimRecordSchema, { version: 1, worker, start: BigInt(start), end: BigInt(end) }),
  );
export const done = (end: number, fence: number) =>
  toBinary(
    state.DoneRecordSchema,
    create(state.DoneRecordSchema, { version: 1, end: BigInt(end), fence: BigInt(fence), worker: "w1" }),
  );
export const job = (of: api.JobState) =>
  toBinary(
    state.JobRecordSchema,
    create(state.JobRecordSchema, {
      ...{ version: 1, state: of, datums: 4n, shards: 0, outputBranch: "master", outputCommit: "out1" },
    }),
  );
const head = () => toBinary(state.HeadRecordSchema, create(state.HeadRecordSchema, { version: 1, commit: "out1" }));

/** Steps of the job, each by itself, so that a test can leave one out or put another between. */
export type Step = (forge: Forge) => void;

export function steps(): Record<"own" | "begin" | "claim" | "first" | "second" | "publish" | "clear", Step> {
  let fence = 0;
  return {
    own: (forge) => void forge.write({ [at.owner]: owner("r1"), [at.mergeOwner]: owner("r2") }),
    begin: (forge) => void forge.write({ [at.meta]: meta(4), [at.job]: job(api.JobState.PROCESSING) }),
    claim: (forge) => {
      fence = forge.write({ [at.claim("c1")]: claim(0, 4) });
    },
    first: (forge) => void forge.write({ [at.done(0)]: done(2, fence), [at.claim("c1")]: claim(2, 4) }),
    second: (forge) => void forge.write({ [at.done(2)]: done(4, fence), [at.claim("c1")]: null }),
    publish: (forge) =>
      void forge.write({
        ...{ [at.job]: job(api.JobState.SUCCEEDED), [at.head]: head() },
        [at.commit]: toBinary(state.CommitRecordSchema, create(state.CommitRecordSchema, { version: 1 })),
      }),
    clear: (forge) => {
      forge.write({ [at.meta]: null });
      forge.write({ [at.done(0)]: null, [at.done(2)]: null });
    },
  };
}

/** The round, the job and the result that the user saw. */
export const HISTORY: readonly HistoryEntry[] = [
  { ns: 1, what: "round", pipeline: PIPELINE, round: 0, repo: "words", commit: "in1", expected: "right" },
  { ns: 2, what: "job", pipeline: PIPELINE, commit: "in1", job: JOB, state: "SUCCEEDED", waitingFor: "", message: "" },
  { ns: 3, what: "result", pipeline: PIPELINE, job: JOB, digest: "right" },
  { ns: 4, what: "datums", pipeline: PIPELINE, job: JOB, datums: [["/docs/00000.txt", 1, 0]] },
];

export function artefacts(forge: Forge, over: Partial<Artefacts> = {}): Artefacts {
  return {
    run: {
      ...{ seed: 1, shape: { masters: 1, merges: 1, fsync: false }, plan: [] },
      ...{ begunNs: 0, uptimeShiftNs: 0, patienceMs: 0 },
    },
    end: { revision: forge.rev, workers: [], scratch: [], leases: [], processes: [] },
    ...{ etcd: forge.entries, history: HISTORY, nemesis: [], notes: [] },
    ...over,
  };
}
