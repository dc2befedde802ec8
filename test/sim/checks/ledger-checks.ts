/**
 * The ledgers in etcd, revision by revision: what every one of them must keep (I1, I3, I9, L1 to L5). The state here is made of
 * the changes alone, and shares nothing with the code under test but the names of the keys and the form of the records.
 */

import { fromBinary } from "@bufbuild/protobuf";
import type { KeyValue, ParsedKey } from "@sheaf/etcd";
import { decodeDone, type LedgerKind } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import type { Call, Change } from "../etcd-server.ts";
import type { Sim } from "../sim.ts";
import { WORK_KIND } from "../sim-store.ts";

interface ClaimNow {
  readonly worker: string;
  readonly start: number;
  readonly end: number;
  readonly fence: bigint;
  readonly lease: string;
  /** The transaction that made it. */
  readonly made: Call | null;
}

interface DoneNow {
  readonly start: number;
  readonly end: number;
}

export interface LedgerNow {
  readonly job: string;
  readonly kind: LedgerKind;
  n: number;
  /** The meta key stands. */
  isOpen: boolean;
  readonly claims: Map<string, ClaimNow>;
  readonly dones: Map<number, DoneNow>;
  /** Every claim that ever was, by id: what was handed out must be among them. */
  readonly fences: Map<string, { readonly fence: bigint; readonly start: number; readonly end: number }[]>;
  /** Every interval that was ever done. */
  readonly everDone: Set<string>;
}

type Entry = { readonly at: ParsedKey; readonly kv: KeyValue | null; readonly key: string };

export class LedgerChecks {
  readonly #sim: Sim;
  readonly #ledgers = new Map<string, LedgerNow>();
  /** Keys that were changed by hand: what follows from that is not the product's fault. */
  readonly edited = new Set<string>();

  constructor(sim: Sim) {
    this.#sim = sim;
    sim.server.observe((change) => this.#check(change));
  }

  ledger(job: string, kind: LedgerKind): LedgerNow | undefined {
    return this.#ledgers.get(`${job}/${kind}`);
  }

  get ledgers(): Iterable<LedgerNow> {
    return this.#ledgers.values();
  }

  /** Whether the done intervals cover [0, n) (L5). Overlaps were violations when they were made. */
  static tiles(ledger: LedgerNow): boolean {
    let covered = 0;
    for (const { start, end } of [...ledger.dones.values()].sort((a, b) => a.start - b.start)) {
      if (start !== covered) return false;
      covered = end;
    }
    return covered === ledger.n;
  }

  #check(change: Change): void {
    const entries: Entry[] = [];
    for (const event of change.events) {
      const key = event.type === "put" ? event.kv.key : event.key;
      if (!key.startsWith(this.#sim.keys.allLedgers())) continue;
      const at = this.#sim.keys.parse(key);
      if (at !== undefined) entries.push({ at, kv: event.type === "put" ? event.kv : null, key });
    }
    if (entries.length === 0) return;
    // What is done is checked against the claims as they were at the revision before.
    for (const entry of entries) if (entry.at.of === "done") this.#done(change, entry, entry.at);
    for (const entry of entries) {
      if (entry.at.of === "claim") this.#claim(change, entry, entry.at);
      if (entry.at.of === "ledger-meta") this.#meta(entry, entry.at);
    }
  }

  #meta({ kv }: Entry, { job, kind }: ParsedKey & { of: "ledger-meta" }): void {
    const ledger = this.#of(job, kind);
    ledger.isOpen = kv !== null;
    if (kv !== null) ledger.n = Number(fromBinary(state.LedgerMetaSchema, kv.value).n);
  }

  #done(change: Change, { key, kv }: Entry, { job, kind, start }: ParsedKey & { of: "done" }): void {
    const ledger = this.#of(job, kind);
    if (this.edited.has(key) && change.call?.process.name === "editor") {
      ledger.dones.delete(start);
      if (kv !== null) ledger.dones.set(start, { start, end: decodeDone(start, kv).end });
      return;
    }
    if (kv === null) {
      ledger.dones.delete(start);
      if (ledger.isOpen) this.#violated("I1", `${key} was deleted from a ledger that stands`);
      return;
    }
    if (kv.createRevision !== kv.modRevision) return this.#violated("I1", `${key} was changed after it was done`);
    const done = decodeDone(start, kv);
    const name = `${key} [${start}, ${done.end})`;
    if (!(start < done.end && done.end <= ledger.n)) this.#violated("I1", `${name} is not inside [0, ${ledger.n})`);
    for (const other of ledger.dones.values()) {
      if (other.start < done.end && start < other.end && this.edited.size === 0)
        this.#violated("I1", `${name} overlaps [${other.start}, ${other.end}), which is done`);
    }
    this.#result(name, ledger, done.end, start, done.attempt, done.result.object?.key ?? "");
    const isFenced = [...ledger.claims.values()].some(
      (claim) => claim.fence === done.fence && claim.start <= start && done.end <= claim.end,
    );
    if (!isFenced) this.#violated("I3", `${name}: no claim with fence ${done.fence} held it at the revision before`);
    ledger.dones.set(start, { start, end: done.end });
    ledger.everDone.add(`${start}-${done.end}`);
  }

  /** L4: the interval is that of the result's header, and all that the result refers to is durable. */
  #result(name: string, ledger: LedgerNow, end: number, start: number, attempt: string, object: string): void {
    const stored = this.#sim.store.get(object);
    if (stored === undefined) return this.#violated("I4", `${name}: its result ${object} is not in the store`);
    if (!stored.isWhole) this.#violated("I4", `${name}: what its result ${object} refers to is not in the store`);
    const { header } = stored;
    const isSame =
      header.job === ledger.job &&
      header.kind === WORK_KIND[ledger.kind] &&
      Number(header.from) === start &&
      Number(header.to) === end &&
      header.attempt === attempt;
    if (!isSame) this.#violated("L4", `${name} is recorded for a run whose header says [${header.from}, ${header.to})`);
  }

  #claim(change: Change, { key, kv }: Entry, { job, kind, claim: id }: ParsedKey & { of: "claim" }): void {
    const ledger = this.#of(job, kind);
    const was = ledger.claims.get(id);
    if (kv === null) {
      ledger.claims.delete(id);
      if (was !== undefined && ledger.isOpen) this.#revoked(change, key, was);
      return;
    }
    const { worker, start: from, end: to } = fromBinary(state.ClaimRecordSchema, kv.value);
    const [start, end] = [Number(from), Number(to)];
    const name = `${key} [${start}, ${end})`;
    if (kv.lease === "0") this.#violated("L3", `${name} was put without its lease, and would outlive every worker`);
    if (!(start < end && end <= ledger.n)) this.#violated("L3", `${name} is not inside [0, ${ledger.n})`);
    if (was?.fence === kv.createRevision) {
      if ((start < was.start || was.end < end) && this.edited.size === 0)
        this.#violated("L3", `${name} has grown: it was [${was.start}, ${was.end})`);
      ledger.claims.set(id, { ...was, worker, start, end, lease: kv.lease });
    } else {
      const isDone = [...ledger.dones.values()].find((done) => done.start < end && start < done.end);
      if (isDone !== undefined && this.edited.size === 0)
        this.#violated("L5", `${name} was handed out, and [${isDone.start}, ${isDone.end}) of it is done`);
      const fence = kv.createRevision;
      this.#sim.truth.given(job, kind, start, end, worker);
      ledger.claims.set(id, { worker, start, end, fence, lease: kv.lease, made: change.call });
      ledger.fences.set(id, [...(ledger.fences.get(id) ?? []), { fence, start, end }]);
    }
    for (const [otherId, other] of ledger.claims) {
      if (otherId !== id && other.start < end && start < other.end)
        this.#violated(
          "L3",
          `${name} overlaps claim ${otherId} [${other.start}, ${other.end}): two workers hold the same`,
        );
    }
  }

  /** L3: an owner that lives frees claims by its own transaction, and revokes the lease after. */
  #revoked({ revoke }: Change, key: string, claim: ClaimNow): void {
    if (revoke?.by == null) return;
    const holds = this.#sim.owners.acting(revoke.by);
    // It was the owner when it asked, and knew of the claim.
    if (holds === null || holds.createRevision > revoke.sentAt || claim.fence > revoke.sentAt) return;
    // Nor is one that it does not know yet, because the answer is on its way or is being read back.
    if (claim.made?.process === revoke.by && claim.made.answer !== "applied") return;
    this.#violated(
      "L3",
      `${key} went with its lease, which its owner ${revoke.by.name} revoked before it freed the claim`,
    );
  }

  #of(job: string, kind: LedgerKind): LedgerNow {
    const name = `${job}/${kind}`;
    const known = this.#ledgers.get(name);
    if (known !== undefined) return known;
    const fresh: LedgerNow = {
      job,
      kind,
      n: 0,
      isOpen: false,
      claims: new Map(),
      dones: new Map(),
      fences: new Map(),
      everDone: new Set(),
    };
    this.#ledgers.set(name, fresh);
    return fresh;
  }

  #violated(invariant: string, message: string): void {
    this.#sim.violated(invariant, message);
  }
}
