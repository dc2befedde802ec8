import type { Compare } from "@sheaf/etcd";
import { unavailable } from "@sheaf/runtime";
import type { LedgerName, NewLedgerMeta } from "../door.ts";
import { decodeMeta, encodeMeta } from "../ledger-records.ts";
import { EtcdLedger, type LedgerDeps } from "./etcd-ledger.ts";
import type { LedgerMeta } from "./ledger-outcomes.ts";
import type { OwnerKey } from "./ownership.ts";

/** What a ledger is opened with; a ledger that stands in etcd must have been made with the same. */
export type NewLedger = Pick<LedgerMeta, "n" | "input" | "order" | "giveUpAfterFailed" | "speculation">;

/** Compared as well when the meta key is written. */
type Only = Pick<NewLedgerMeta, "only">;

/**
 * Opens a ledger: writes its meta key when there is none, and reads what stands. The epoch is sealed (L2) before this is
 * called, and nobody else writes the ledger (L1), so what is read is final.
 */
export async function openLedger(
  deps: LedgerDeps,
  owner: OwnerKey,
  name: LedgerName,
  { only, ...made }: NewLedger & Only,
): Promise<EtcdLedger> {
  const { etcd, keys } = deps;
  const metaRevision = await writeMeta(deps, owner, name, made, only);
  const [dones, claims, failures] = await Promise.all([
    etcd.list(keys.dones(name.job, name.kind)),
    etcd.list(keys.claims(name.job, name.kind)),
    etcd.list(keys.failures(name.job, name.kind)),
  ]);
  const ledger = new EtcdLedger(deps, owner, { ...made, name, metaRevision });
  ledger.load({ dones: dones.kvs, claims: claims.kvs, failures: failures.kvs });
  await ledger.settle();
  return ledger;
}

/** The revision of the meta key, which stands when this returns and is never changed. */
async function writeMeta(
  deps: LedgerDeps,
  owner: OwnerKey,
  name: LedgerName,
  made: NewLedger,
  only: Compare | undefined,
): Promise<bigint> {
  const { etcd, keys } = deps;
  const key = keys.ledgerMeta(name.job, name.kind);
  const value = encodeMeta({ n: made.n, input: made.input, pipeline: name.pipeline });
  for (;;) {
    const stands = await etcd.get(key);
    if (stands !== null) {
      const meta = decodeMeta(stands);
      if (meta.n === made.n) return stands.modRevision;
      throw unavailable(
        "LEDGER_DIFFERS",
        `${key} is for ${meta.n} indexes, not ${made.n}; delete the job and run it again`,
      );
    }
    const absent = { key, target: "create", is: 0n } as const;
    const compare = only === undefined ? [absent] : [absent, only];
    const outcome = await owner.submit({ name: `open ${key}`, compare, ops: [{ put: key, value }] });
    if (outcome.kind === "applied") return outcome.revision;
    if (outcome.kind === "lost")
      throw unavailable("NOT_OWNER", `pipeline ${name.pipeline} is not owned by this replica any more`);
    // Refused, and not because the key stands: so `only` holds no more.
    if (outcome.kind === "refused" && outcome.current[0] === null)
      throw unavailable("JOB_CHANGED", `${only?.key} has changed while ${key} was being written`);
    // Unknown (and sealed), or the key stands after all: what stands now is the truth.
  }
}
