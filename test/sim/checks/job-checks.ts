/** The jobs and the published commits (I2, I5, I6): their states, and what must be true when one is entered. */
import { fromBinary } from "@bufbuild/protobuf";
import type { LedgerKind } from "@sheaf/ledger";
import { type api, state } from "@sheaf/proto";
import type { Change } from "../etcd-server.ts";
import { isTerminal, JobState, stateName } from "../jobs.ts";
import type { Sim } from "../sim.ts";
import { TRIES } from "../truth.ts";
import { LedgerChecks, type LedgerNow } from "./ledger-checks.ts";

const NEXT: Readonly<Partial<Record<api.JobState, readonly api.JobState[]>>> = {
  [JobState.PROCESSING]: [JobState.MERGING, JobState.FAILED, JobState.STOPPED, JobState.INCONSISTENT],
  [JobState.MERGING]: [JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED, JobState.INCONSISTENT],
};

export class JobChecks {
  readonly states = new Map<string, api.JobState>();
  readonly #sim: Sim;
  readonly #ledgers: LedgerChecks;
  #head = "";

  constructor(sim: Sim, ledgers: LedgerChecks) {
    this.#sim = sim;
    this.#ledgers = ledgers;
    sim.server.observe((change) => this.#check(change));
  }

  get areOver(): boolean {
    for (const each of this.states.values()) if (!isTerminal(each)) return false;
    return true;
  }

  #check({ events }: Change): void {
    const { keys } = this.#sim;
    let succeeded = "";
    let head: string | null = null;
    for (const event of events) {
      if (event.type !== "put") continue;
      const { key, value } = event.kv;
      if (key.startsWith(keys.allJobs())) {
        const job = key.slice(key.lastIndexOf("/") + 1);
        const { state: to } = fromBinary(state.JobRecordSchema, value);
        this.#moves(job, to);
        if (to === JobState.SUCCEEDED) succeeded = job;
      } else if (key.startsWith(keys.allHeads())) head = fromBinary(state.HeadRecordSchema, value).commit;
    }
    if (head !== null && head !== succeeded)
      this.#sim.violated("I4", `the head moved to ${head}, and no job published it in the same transaction`);
    if (succeeded !== "" && head !== succeeded) this.#sim.violated("I4", `${succeeded} succeeded without its commit`);
    if (head !== null) this.#head = head;
  }

  /** The commit that readers see. */
  get head(): string {
    return this.#head;
  }

  #moves(job: string, to: api.JobState): void {
    const from = this.states.get(job);
    this.states.set(job, to);
    if (from === undefined) return;
    const name = `job ${job} from ${stateName(from)} to ${stateName(to)}`;
    if (!NEXT[from]?.includes(to)) return this.#sim.violated("I5", name);
    if (to === JobState.MERGING) this.#isWhole(name, this.#ledgers.ledger(job, "process"));
    if (to === JobState.SUCCEEDED) this.#isWhole(name, this.#ledgers.ledger(job, "merge"));
    if (to === JobState.INCONSISTENT && this.#ledgers.edited.size === 0)
      this.#sim.violated("L5", `${name}, and nobody has changed a key by hand`);
    if (to === JobState.FAILED && !this.#hasFailed(job)) this.#sim.violated("I6", `${name}, and no datum has failed`);
  }

  #isWhole(name: string, ledger: LedgerNow | undefined): void {
    if (ledger === undefined || !LedgerChecks.tiles(ledger))
      this.#sim.violated("I2", `${name}, and its done intervals do not tile [0, ${ledger?.n ?? 0})`);
  }

  #hasFailed(job: string): boolean {
    const { truth } = this.#sim;
    const lost = (["process", "merge"] as const).some((kind) =>
      this.#indexes(job, kind).some((i) => truth.losses(job, kind, i) >= TRIES),
    );
    return lost || this.#indexes(job, "process").some((i) => truth.failures(job, i) >= TRIES);
  }

  #indexes(job: string, kind: LedgerKind): number[] {
    return Array.from({ length: this.#ledgers.ledger(job, kind)?.n ?? 0 }, (_, i) => i);
  }
}
