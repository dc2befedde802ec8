/**
 * Who owns a pipeline.
 *
 * A replica owns a pipeline while the owner key holds the value that it put. The key's *modification* revision is the epoch, and
 * every transaction of the owner compares it (L1). So at any revision of etcd there is at most one epoch whose writes apply, and
 * it does not matter who believes what.
 *
 *     campaigning --created--> owned(epoch) --seal--> owned(newer epoch)
 *                                   |
 *                                   +-- lost: the key is gone or another's, or the lease is not to be trusted
 *
 * A transaction whose outcome is unknown may apply now, later or never. The owner *seals* (L2): it puts its key again, comparing
 * the old epoch. When that has applied, the old epoch never matches again, so what was sent before can not apply any more;
 * only then is a read the truth. The seal's own outcome can be unknown as well: it carries a nonce, is tried again under the
 * same compare (so at most one of the tries applies), and is recognised by its nonce when it is read back.
 *
 * The lease only bounds how long a dead owner is waited for. A live owner steps down when it cannot renew in time, which is
 * early, never late: time may stop it sooner but gives no right (L3).
 */

import {
  type Change,
  type ChangeOutcome,
  type Compare,
  type Etcd,
  GroupCommit,
  type Lease,
  type Revision,
} from "@sheaf/etcd";
import { type Clock, type Logger, newId, type Random } from "@sheaf/runtime";
import { encodeOwner, ownerNonce } from "../ledger-records.ts";

export interface OwnerDeps {
  readonly etcd: Etcd;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly replica: string;
}

/** Pause between tries of a seal whose outcome is unknown. */
const SEAL_RETRY_MS = 200;

type State = { readonly tag: "owned"; epoch: Revision } | { readonly tag: "lost" };

/** An owner key that this replica holds, and the one line of writes under it. */
export class OwnerKey {
  readonly #deps: OwnerDeps;
  readonly #key: string;
  readonly #lease: Lease;
  readonly #group: GroupCommit;
  readonly #lost = Promise.withResolvers<void>();
  /** The epoch that was last ours: guards compare it also after the loss, and then refuse. */
  #epoch: Revision;
  #state: State;

  constructor(deps: OwnerDeps, key: string, lease: Lease, epoch: Revision) {
    this.#deps = deps;
    this.#key = key;
    this.#lease = lease;
    this.#epoch = epoch;
    this.#state = { tag: "owned", epoch };
    const { etcd, clock, log } = deps;
    this.#group = new GroupCommit({ etcd, clock, log, guard: () => this.guard(), onUnknown: () => this.#seal() });
    void lease.lost.then(() => this.#lose("its lease could not be renewed in time"));
  }

  /** Resolves when the key is not ours any more. */
  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  get isLost(): boolean {
    return this.#state.tag === "lost";
  }

  get epoch(): Revision {
    return this.#epoch;
  }

  /** L1: what every transaction of the owner compares first. */
  guard(): Compare[] {
    return [{ key: this.#key, target: "mod", is: this.#epoch }];
  }

  /** Writes under the guard; one transaction is in flight at a time (L1, L8). */
  async submit(change: Change): Promise<ChangeOutcome> {
    if (this.#state.tag === "lost") return { kind: "lost" };
    const outcome = await this.#group.submit(change);
    if (outcome.kind === "lost") this.#lose("another replica owns it");
    return outcome;
  }

  /** Gives the key up, so that another replica can own the pipeline at once. */
  async resign(): Promise<void> {
    if (this.#state.tag === "lost") return;
    await this.#group.close();
    // Until it is known to be gone: the replica may live on, and with its lease the key. What was sent before changes nothing
    // when it applies late, because it compares the epoch as well. Without a lease the key goes by itself.
    const gone = { compare: this.guard(), then: [{ delete: this.#key }] };
    while ((await this.#deps.etcd.txn(gone)).kind === "unknown" && this.#lease.valid()) {
      await this.#deps.clock.sleep(SEAL_RETRY_MS);
    }
    this.#lose("it was given up");
  }

  async #seal(): Promise<"sealed" | "lost"> {
    const { etcd, clock, random, replica } = this.#deps;
    const nonces = new Set<string>();
    while (this.#state.tag === "owned" && this.#lease.valid()) {
      const nonce = newId(random, clock);
      nonces.add(nonce);
      const outcome = await etcd.txn({
        compare: this.guard(),
        then: [{ put: this.#key, value: encodeOwner(replica, nonce), lease: this.#lease.id }],
        else: [{ get: this.#key }],
      });
      if (outcome.kind === "applied") return this.#sealed(outcome.revision);
      if (outcome.kind === "refused") {
        const now = outcome.reads[0];
        // One of our earlier tries applied after all, and so it is the seal.
        if (now != null && nonces.has(ownerNonce(now.value))) return this.#sealed(now.modRevision);
        break;
      }
      if (outcome.kind === "lease-not-found") break;
      await clock.sleep(SEAL_RETRY_MS);
    }
    this.#lose("its epoch could not be sealed");
    return "lost";
  }

  #sealed(epoch: Revision): "sealed" {
    this.#deps.log.warn({ key: this.#key, epoch: String(epoch) }, "sealed after a write with an unknown outcome");
    this.#epoch = epoch;
    if (this.#state.tag === "owned") this.#state.epoch = epoch;
    return "sealed";
  }

  #lose(why: string): void {
    if (this.#state.tag === "lost") return;
    this.#state = { tag: "lost" };
    this.#group.abandon(); // what waits to be sent would only be refused
    this.#deps.log.info({ key: this.#key, why }, "not the owner any more");
    this.#lost.resolve();
  }
}
