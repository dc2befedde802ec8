// I1 at most once: a done key is created once in the life of its ledger and never changes. I3 fenced: just before it, a claim with its
// fence stood, and held all of its interval. P partition: claims of one ledger never overlap each other or what is done, and each hangs
// on a lease (L3). I9 (first half): a ledger is written only while an owner's key stands.

import { fromBinary } from "@bufbuild/protobuf";
import type { LedgerKind } from "@sheaf/etcd";
import { state } from "@sheaf/proto";
import { KEYS } from "../keeper.ts";
import type { KeyChange, Revision, Store } from "./replay.ts";
import type { Findings } from "./verdict.ts";

interface Piece {
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

type Owned = { readonly job: string; readonly kind: LedgerKind };

export class LedgerRules {
  readonly #findings: Findings;
  /** Ledger by its prefix: the create revision of its meta key; its pieces, claims and done ones, by key. */
  readonly #ledgers = new Map<
    string,
    { meta: number; pipeline: string; pieces: Map<string, Piece>; everDone: Set<string> }
  >();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  each(revision: Revision, before: Store): void {
    const touched = new Set<string>();
    for (const change of revision.changes) {
      const parsed = KEYS.parse(change.key);
      if (parsed?.of === "ledger-meta") this.#meta(revision, change, parsed);
      else if (parsed?.of === "done") this.#done(revision, change, parsed, before);
      else if (parsed?.of === "claim") this.#claim(revision, change, parsed, before);
      else continue;
      touched.add(KEYS.ledger(parsed.job, parsed.kind));
    }
    for (const prefix of touched) this.#partition(revision, prefix);
  }

  #meta({ rev }: Revision, { key, now }: KeyChange, { job, kind }: Owned): void {
    if (now === undefined) return;
    this.#findings.check(now.version === 1, "I1", () => `${key} was changed at revision ${rev}`);
    const { pipeline } = fromBinary(state.LedgerMetaSchema, now.value);
    this.#ledgers.set(KEYS.ledger(job, kind), { meta: now.create, pipeline, pieces: new Map(), everDone: new Set() });
  }

  #done(revision: Revision, change: KeyChange, of: Owned & { readonly start: number }, before: Store): void {
    const { rev } = revision;
    const { key, now } = change;
    const ledger = this.#ledgers.get(KEYS.ledger(of.job, of.kind));
    if (now === undefined) {
      const live = before.has(KEYS.ledgerMeta(of.job, of.kind));
      this.#findings.check(!live, "I1", () => `${key} was deleted at revision ${rev} while its ledger lived`);
      ledger?.pieces.delete(key);
      return;
    }
    const once = now.version === 1 && ledger?.everDone.has(key) === false;
    this.#findings.check(once, "I1", () => `${key} was written a second time at revision ${rev}`);
    const record = fromBinary(state.DoneRecordSchema, now.value);
    const end = Number(record.end);
    ledger?.everDone.add(key);
    ledger?.pieces.set(key, { key, start: of.start, end });
    this.#owned(revision, of, before);
    const claims = claimsWith(Number(record.fence), of, before);
    const holds = claims.some((claim) => claim.start <= of.start && end <= claim.end);
    const found = () => claims.map((claim) => `${claim.key} [${claim.start}, ${claim.end})`).join(", ") || "no claim";
    this.#findings.check(
      holds,
      "I3",
      () => `${key} to ${end} at revision ${rev}: with its fence ${record.fence} stood ${found()} just before`,
    );
  }

  #claim(revision: Revision, { key, now }: KeyChange, of: Owned, before: Store): void {
    const ledger = this.#ledgers.get(KEYS.ledger(of.job, of.kind));
    if (now === undefined) return void ledger?.pieces.delete(key);
    const { start, end } = fromBinary(state.ClaimRecordSchema, now.value);
    ledger?.pieces.set(key, { key, start: Number(start), end: Number(end) });
    this.#owned(revision, of, before);
    this.#findings.check(now.lease !== "0", "L3", () => `${key} at revision ${revision.rev} hangs on no lease`);
  }

  #owned({ rev }: Revision, { job, kind }: Owned, before: Store): void {
    const pipeline = this.#ledgers.get(KEYS.ledger(job, kind))?.pipeline;
    const owner = pipeline && (kind === "merge" ? KEYS.mergeOwner(pipeline) : KEYS.owner(pipeline));
    this.#findings.check(
      owner !== undefined && before.has(owner),
      "I9",
      () => `${KEYS.ledger(job, kind)} was written at revision ${rev}, and ${owner ?? "its meta key"} did not stand`,
    );
  }

  #partition({ rev }: Revision, prefix: string): void {
    const pieces = [...(this.#ledgers.get(prefix)?.pieces.values() ?? [])].sort((a, b) => a.start - b.start);
    for (let i = 1; i < pieces.length; i++) {
      const [a, b] = [pieces[i - 1] as Piece, pieces[i] as Piece];
      const show = ({ key, start, end }: Piece) => `${key} [${start}, ${end})`;
      this.#findings.check(a.end <= b.start, "P", () => `revision ${rev}: ${show(a)} overlaps ${show(b)}`);
    }
  }
}

/** Several claims may have one fence: they were written in one transaction. */
function claimsWith(fence: number, { job, kind }: Owned, store: Store): Piece[] {
  const prefix = KEYS.claims(job, kind);
  const found = [...store.values()].filter(({ key, create }) => create === fence && key.startsWith(prefix));
  return found.map(({ key, value }) => {
    const { start, end } = fromBinary(state.ClaimRecordSchema, value);
    return { key, start: Number(start), end: Number(end) };
  });
}
