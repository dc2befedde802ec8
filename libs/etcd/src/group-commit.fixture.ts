/** What the tests of group commit share: an etcd that follows a script, and a group commit over it in virtual time. */
import { type ManualClock, manualClock, testLogger } from "@sheaf/runtime";
import type { Change, ChangeOutcome } from "./change.ts";
import type { Compare, LeaseInfo, Txn, TxnOutcome } from "./etcd.ts";
import { EtcdModel } from "./etcd-model.ts";
import { GroupCommit, type GroupCommitOptions } from "./group-commit.ts";

export const OWNER = "/owner";
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const put = (key: string, value = "v", lease?: string) =>
  lease === undefined ? { put: key, value: bytes(value) } : { put: key, value: bytes(value), lease };
export const absent = (key: string): Compare => ({ key, target: "create", is: 0n });
export const change = (name: string, ops: Change["ops"] = [put(name)], compare: Compare[] = []): Change => ({
  name,
  ops,
  compare,
});

/** etcd as a script: notes what is sent, can hold answers back, and can be told what to answer next. */
class ScriptedEtcd {
  readonly model = new EtcdModel();
  readonly sent: Txn[] = [];
  /** What becomes of the next transactions, one each; without an entry they are applied. */
  readonly script: ((txn: Txn) => TxnOutcome | Promise<TxnOutcome>)[] = [];
  lookUp: ((id: string) => Promise<LeaseInfo | null>) | undefined;

  txn(txn: Txn): Promise<TxnOutcome> {
    this.sent.push(txn);
    const step = this.script.shift() ?? ((one: Txn) => this.model.apply(one));
    return (async () => step(txn))();
  }

  leaseTimeToLive(id: string): Promise<LeaseInfo | null> {
    return this.lookUp?.(id) ?? this.model.leaseTimeToLive(id);
  }

  /** The keys that each transaction wrote, in order. */
  get writes(): string[][] {
    return this.sent.map(({ then }) => then.map((op) => ("put" in op ? op.put : "delete" in op ? op.delete : "?")));
  }
}

interface Bench {
  readonly etcd: ScriptedEtcd;
  readonly clock: ManualClock;
  readonly group: GroupCommit;
  readonly touched: (readonly string[])[];
}

export function bench(options: Partial<GroupCommitOptions> = {}): Bench {
  const etcd = new ScriptedEtcd();
  const clock = manualClock();
  const touched: (readonly string[])[] = [];
  etcd.model.apply({ compare: [], then: [put(OWNER, "me")] });
  const epoch = etcd.model.revision;
  const group = new GroupCommit({
    etcd,
    clock,
    log: testLogger(),
    guard: () => [{ key: OWNER, target: "mod", is: epoch }],
    onUnknown: async (keys) => {
      touched.push(keys);
      return "sealed";
    },
    ...options,
  });
  return { etcd, clock, group, touched };
}

export const kinds = (outcomes: readonly ChangeOutcome[]): string[] => outcomes.map(({ kind }) => kind);
export const unknown: TxnOutcome = { kind: "unknown", cause: "no answer" };
