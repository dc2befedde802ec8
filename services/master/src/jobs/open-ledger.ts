import { type Ledger, type LedgerEnd, sumTotals } from "@sheaf/ledger";
import type { LedgerView } from "./decide.ts";

/** A ledger that this owner has opened, with its end as soon as it is known. */
export class OpenLedger {
  readonly ledger: Ledger;
  #end: LedgerEnd | undefined;

  /** `ended` is called once, after which `view` says how. */
  constructor(ledger: Ledger, ended: () => void) {
    this.ledger = ledger;
    void ledger.end.then((end) => {
      this.#end = end;
      ended();
    });
  }

  get end(): LedgerEnd | undefined {
    return this.#end;
  }

  /** The done intervals of one that has ended. */
  get done() {
    return this.#end?.kind === "complete" || this.#end?.kind === "gave-up" ? this.#end.done : [];
  }

  view(): LedgerView {
    switch (this.#end?.kind) {
      case undefined:
        return { kind: "open" };
      case "complete":
      case "gave-up":
        return {
          kind: "over",
          gaveUp: this.#end.kind === "gave-up",
          totals: sumTotals(this.done.map((each) => each.totals)),
        };
      case "inconsistent":
        return { kind: "inconsistent", message: this.#end.message };
      case "closed":
        return { kind: "shut" };
    }
  }
}

export function viewOf(open: OpenLedger | undefined): LedgerView {
  return open?.view() ?? { kind: "shut" };
}
