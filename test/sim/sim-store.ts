/** The object store: what workers have made durable, and the headers that a commit is checked against. */
import { create } from "@bufbuild/protobuf";
import type { LedgerKind, VerifyResult } from "@sheaf/ledger";
import { store } from "@sheaf/proto";
import { dataLoss, invalidArgument, notFound, unavailable } from "@sheaf/runtime";
import type { Faults } from "./faults.ts";
import type { Process } from "./process.ts";

/** A run: what its header says, and whether all that it refers to is there. */
export interface Stored {
  readonly header: store.ResultHeader;
  readonly isWhole: boolean;
}

export class SimStore {
  readonly #objects = new Map<string, Stored>();

  put(key: string, stored: Stored): void {
    this.#objects.set(key, stored);
  }

  get(key: string): Stored | undefined {
    return this.#objects.get(key);
  }

  /** What an owner reads before it takes a commit. */
  verifier(process: Process, faults: Faults): VerifyResult {
    return (kind, result) =>
      new Promise((resolve, reject) => {
        const fails = faults.strikes("verify-fails");
        process.after(faults.between(0.5, 20), () => {
          const stored = this.#objects.get(result.object?.key ?? "");
          if (fails) reject(unavailable("STORE_AWAY", "the simulated store does not answer"));
          else if (stored === undefined) reject(notFound("NO_RESULT", "the result is not there"));
          else if (!stored.isWhole) reject(dataLoss("OBJECT_MISSING", "a pack of the result is not there"));
          else if (stored.header.kind !== WORK_KIND[kind]) reject(invalidArgument("OTHER_KIND", "another kind"));
          else resolve(stored.header);
        });
      });
  }
}

export const WORK_KIND = {
  plan: store.WorkKind.PLAN,
  process: store.WorkKind.PROCESS,
  merge: store.WorkKind.MERGE,
} as const;

export function tableRef(key: string): store.TableRef {
  return create(store.TableRefSchema, { object: { key, size: 1n } });
}

export function kindOf(kind: store.WorkKind): LedgerKind {
  return kind === store.WorkKind.MERGE ? "merge" : kind === store.WorkKind.PLAN ? "plan" : "process";
}
