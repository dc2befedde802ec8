/** What all parts of one history share. */
import { type Keys, keysOf } from "@sheaf/etcd";
import { type Random, seededRandom } from "@sheaf/runtime";
import { OwnerChecks } from "./checks/owner-checks.ts";
import { type Call, SimEtcdServer } from "./etcd-server.ts";
import { Faults } from "./faults.ts";
import { History } from "./history.ts";
import { SimStore } from "./sim-store.ts";
import { Truth } from "./truth.ts";
import { World } from "./world.ts";

export interface Violation {
  /** I1 to I15 of the fault model, or the rule L1 to L10 of the ledger. */
  readonly invariant: string;
  readonly message: string;
}

export class Sim {
  readonly world = new World();
  readonly random: Random;
  readonly faults: Faults;
  readonly server: SimEtcdServer;
  readonly store = new SimStore();
  readonly truth: Truth;
  readonly keys: Keys = keysOf("sim");
  readonly history: History;
  readonly owners: OwnerChecks;
  readonly violations: Violation[] = [];
  readonly #onSent: ((call: Call) => void)[] = [];
  #streams = 0;

  constructor(seed: number, isTold: boolean) {
    this.random = seededRandom(seed);
    this.faults = new Faults(this.fork());
    this.server = new SimEtcdServer(this.world);
    this.truth = new Truth(this.faults, this.fork());
    this.history = new History(isTold, () => this.world.now);
    this.owners = new OwnerChecks(this);
  }

  /** A source of its own for a part, so that what one part draws does not shift the others. */
  fork(): Random {
    return seededRandom(this.random.int(2 ** 32) + 2 ** 32 * ++this.#streams);
  }

  violated(invariant: string, message: string): void {
    this.violations.push({ invariant, message });
    this.history.note("CHECK", () => `${invariant} VIOLATED: ${message}`);
  }

  onSent(fn: (call: Call) => void): void {
    this.#onSent.push(fn);
  }

  sent(call: Call): void {
    for (const fn of this.#onSent) fn(call);
  }
}
