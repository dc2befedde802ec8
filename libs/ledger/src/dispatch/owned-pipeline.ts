import { dispatch } from "@sheaf/proto";
import { unavailable } from "@sheaf/runtime";
import type { Follower, LedgerName, NewLedgerMeta, Ownership } from "../door.ts";
import { decodeMeta } from "../ledger-records.ts";
import type { LedgerDeps } from "../owner/etcd-ledger.ts";
import { openLedger } from "../owner/open-ledger.ts";
import type { OwnerKey } from "../owner/ownership.ts";
import type { Pool } from "./pool.ts";

/** Pause before a deletion whose outcome is unknown is sent again: deleting twice is deleting once. */
const DELETE_RETRY_MS = 500;

interface OwnedParts {
  readonly pipeline: string;
  readonly owner: OwnerKey;
  readonly pool: Pool;
  readonly recalled: Promise<void>;
  /** Workers are accepted from now on. */
  readonly serving: () => void;
}

/** A pipeline that this replica owns, as its masters and merge replicas see it. */
export class OwnedPipeline implements Ownership {
  readonly pipeline: string;
  readonly recalled: Promise<void>;
  readonly #deps: LedgerDeps;
  readonly #owner: OwnerKey;
  readonly #pool: Pool;
  readonly #serving: () => void;

  constructor(deps: LedgerDeps, { pipeline, owner, pool, recalled, serving }: OwnedParts) {
    this.#deps = deps;
    this.pipeline = pipeline;
    this.recalled = recalled;
    this.#owner = owner;
    this.#pool = pool;
    this.#serving = serving;
  }

  get lost(): Promise<void> {
    return this.#owner.lost;
  }

  guard() {
    return this.#owner.guard();
  }

  epoch() {
    return this.#owner.epoch;
  }

  submit: Ownership["submit"] = (change) => this.#owner.submit(change);

  async openLedger(name: LedgerName, meta: NewLedgerMeta) {
    this.#stillOwned();
    const open = this.#pool.ledger(name);
    if (open !== undefined) return open;
    const made = { giveUpAfterFailed: Number.POSITIVE_INFINITY, speculation: false, ...meta };
    const ledger = await openLedger(this.#deps, this.#owner, name, made);
    this.#stillOwned();
    this.#pool.add(ledger);
    return ledger;
  }

  /** L1: a ledger that is opened after the loss would be closed at once, and whoever wants it open would try for ever. */
  #stillOwned(): void {
    if (!this.#pool.closed) return;
    throw unavailable("NOT_OWNER", `pipeline ${this.pipeline} is not owned by this replica any more`);
  }

  async ledgerMeta({ job, kind }: LedgerName) {
    const kv = await this.#deps.etcd.get(this.#deps.keys.ledgerMeta(job, kind));
    return kv === null ? null : decodeMeta(kv);
  }

  serve(): void {
    this.#pool.serve();
    this.#serving();
  }

  closeLedger(name: LedgerName, reason: "stopped" | "done"): Promise<void> {
    return this.#pool.remove(name, reason === "stopped" ? dispatch.CancelReason.STOPPED : dispatch.CancelReason.LOST);
  }

  restart(name: LedgerName, index: number): boolean {
    return this.#pool.restart(name, index);
  }

  stragglers(): number {
    return this.#pool.stragglers();
  }

  follow(follower: Follower): () => void {
    return this.#pool.follow(follower);
  }

  /**
   * Meta keys first: from then on no write of a late batch can apply to these ledgers (L8). The rest is nobody's any more, so its
   * deletion need not go through the group commit, which knows single keys only.
   */
  async deleteLedgers(job: string): Promise<void> {
    const { keys, etcd, clock } = this.#deps;
    const ops = (["plan", "process", "merge"] as const).map((kind) => ({ delete: keys.ledgerMeta(job, kind) }));
    for (;;) {
      const metas = await this.#owner.submit({ name: `delete the ledgers of ${job}`, compare: [], ops });
      if (metas.kind === "lost") return; // whoever owns the pipeline then deletes what is left
      if (metas.kind === "applied") {
        const rest = await etcd.txn({ compare: this.guard(), then: [{ deletePrefix: keys.ledgers(job) }] });
        if (rest.kind === "applied") return;
      }
      // Unknown, or refused because the epoch was sealed meanwhile, or because it is lost: the next try tells.
      await clock.sleep(DELETE_RETRY_MS);
    }
  }
}
