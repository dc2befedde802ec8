/** An owner's memory against etcd (I11), whenever nothing of that owner is on its way. */
import type { LedgerProgress } from "@sheaf/ledger";
import type { Sim } from "../sim.ts";
import type { SimOwner } from "../sim-owner.ts";
import type { LedgerChecks, LedgerNow } from "./ledger-checks.ts";

export class MemoryChecks {
  readonly #sim: Sim;
  readonly #ledgers: LedgerChecks;

  constructor(sim: Sim, ledgers: LedgerChecks) {
    this.#sim = sim;
    this.#ledgers = ledgers;
  }

  check(owner: SimOwner): void {
    if (!owner.etcd.isQuiet || this.#ledgers.edited.size > 0) return;
    // A zombie may remember what it likes.
    if (this.#sim.owners.current(owner.process) === null) return;
    for (const { ledger, end } of owner.ledgers) {
      const now = this.#ledgers.ledger(ledger.name.job, ledger.name.kind);
      if (end === null && now?.isOpen === true) this.#same(owner, now, ledger.progress());
    }
  }

  #same(owner: SimOwner, now: LedgerNow, memory: LedgerProgress): void {
    const name = `${owner.process.name} remembers of ${now.job}/${now.kind}`;
    const done = [...now.dones.values()].reduce((sum, { start, end }) => sum + end - start, 0);
    if (memory.done !== done) this.#sim.violated("I11", `${name} ${memory.done} done indexes, etcd has ${done}`);
    const known = new Map(memory.claims.map((claim) => [claim.claim, claim]));
    for (const [id, { start, end }] of now.claims) {
      const claim = known.get(id);
      if (claim?.start !== start || claim.end !== end)
        this.#sim.violated(
          "I11",
          `${name} ${claim ? `[${claim.start}, ${claim.end})` : "nothing"} of claim ${id}, etcd has [${start}, ${end})`,
        );
    }
  }
}
