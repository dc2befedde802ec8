/** One writer at a time (I9, L1): who may write at a revision, and that each writes one transaction after the other. */
import { fromBinary } from "@bufbuild/protobuf";
import type { KeyValue, Revision } from "@sheaf/etcd";
import { state } from "@sheaf/proto";
import type { Call, Change } from "../etcd-server.ts";
import { PIPELINE } from "../jobs.ts";
import type { Process } from "../process.ts";
import type { Sim } from "../sim.ts";

interface Holder {
  readonly replica: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
}

export class OwnerChecks {
  readonly #sim: Sim;
  /** By process: which owner key it writes under. */
  readonly #keyOf = new Map<string, string>();
  readonly #holders = new Map<string, Holder>();
  /** By replica: create revision of the owner key that it held last. */
  readonly #terms = new Map<string, Revision>();
  readonly #believes = new Map<Process, () => boolean>();
  readonly #inFlight = new Map<Process, Call>();

  constructor(sim: Sim) {
    this.#sim = sim;
    sim.server.observe((change) => this.#check(change));
    sim.onSent((call) => this.#sent(call));
  }

  /** A replica begins: it writes under one of the owner keys. */
  add(process: Process, role: "master" | "merge", believes: () => boolean): void {
    const { keys } = this.#sim;
    this.#believes.set(process, believes);
    this.#keyOf.set(process.name, role === "master" ? keys.owner(PIPELINE) : keys.mergeOwner(PIPELINE));
  }

  /** The owner key that this process holds, and knows that it does; null: it is not the owner. */
  acting(process: Process): Holder | null {
    return this.#believes.get(process)?.() === true ? this.current(process) : null;
  }

  /** The owner key that this process holds now; null: it is not the owner. */
  current(process: Process): Holder | null {
    const holder = this.#holders.get(this.#keyOf.get(process.name) ?? "");
    return holder?.replica === process.name ? holder : null;
  }

  /** At the revision of a write the writer owns the pipeline, by an epoch that stood when the write was sent. */
  #check({ call, events }: Change): void {
    const key = call === null ? undefined : this.#keyOf.get(call.process.name);
    if (call !== null && key !== undefined && events.some((event) => this.#isGuarded(keyOf(event)))) {
      const holder = this.#holders.get(key);
      const what = `${call.process.name} wrote ${keyOf(events[0])}`;
      if (holder?.replica !== call.process.name)
        this.#sim.violated("I9", `${what} and ${holder?.replica ?? "nobody"} is the owner`);
      else if (holder.modRevision > call.sentAt)
        this.#sim.violated(
          "I9",
          `${what} by a transaction that was sent before its epoch was sealed at ${holder.modRevision}`,
        );
    }
    for (const event of events) this.#hold(event.type === "put" ? event.kv : null, keyOf(event));
  }

  #hold(kv: KeyValue | null, key: string): void {
    if (!key.startsWith(this.#sim.keys.owners()) && !key.startsWith(this.#sim.keys.mergeOwners())) return;
    if (kv === null) return void this.#holders.delete(key);
    const { replica } = fromBinary(state.OwnerRecordSchema, kv.value);
    this.#terms.set(replica, kv.createRevision);
    this.#holders.set(key, { replica, createRevision: kv.createRevision, modRevision: kv.modRevision });
  }

  /** L1: one transaction of an owner in flight. */
  #sent(call: Call): void {
    if (!this.#keyOf.has(call.process.name)) return;
    const writes = call.txn.then.some((op) => this.#isGuarded("put" in op ? op.put : "delete" in op ? op.delete : ""));
    if (!writes) return;
    const before = this.#inFlight.get(call.process);
    // One from an earlier term can not apply any more: the key that it compares is gone.
    const ofThisTerm = (before?.sentAt ?? 0n) >= (this.#terms.get(call.process.name) ?? 0n);
    if (before?.answer === null && ofThisTerm)
      this.#sim.violated("L1", `${call.process.name} sent a transaction while another one is in flight`);
    this.#inFlight.set(call.process, call);
  }

  /** What only the owner writes; jobs are written by users as well, under their fence. */
  #isGuarded(key: string): boolean {
    const { keys } = this.#sim;
    return key.startsWith(keys.allLedgers()) || key.startsWith(keys.allJobs());
  }
}

function keyOf(event: Change["events"][number] | undefined): string {
  return event === undefined ? "" : event.type === "put" ? event.kv.key : event.key;
}
