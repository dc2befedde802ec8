/**
 * The guards of the ledger, each with a way to take it out of the real source: an exact text and what stands there instead. A text
 * that is not found exactly once makes the mutant stale, and that fails as well: the table follows the code.
 */

/** A text of one file, replaced. */
export interface Replacement {
  /** From the root of the project. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  /** The guard that is missing. */
  readonly name: string;
  /** What it guards, or behind which other guard it stands: then both are removed. */
  readonly because: string;
  readonly replacements: readonly Replacement[];
}

const PARTITION = "libs/ledger/src/core/partition.ts";
const HEARING = "libs/ledger/src/dispatch/hearing.ts";
const POOL = "libs/ledger/src/dispatch/pool.ts";
const TAKE_COMMIT = "libs/ledger/src/dispatch/take-commit.ts";
const CLAIM_KEYS = "libs/ledger/src/owner/claim-keys.ts";
const ETCD_LEDGER = "libs/ledger/src/owner/etcd-ledger.ts";
const OWNERSHIP = "libs/ledger/src/owner/ownership.ts";
const RECORD = "libs/ledger/src/record.ts";
const GROUP_COMMIT = "libs/etcd/src/group-commit.ts";

const GUARD = 'return [{ key: this.#key, target: "mod", is: this.#epoch }];';

const memory: Replacement = {
  file: PARTITION,
  from: "if (this.#done.overlaps(from, to)) {\n      return",
  to: "if (this.n < 0) {\n      return",
};
const doneAbsent: Replacement = {
  file: ETCD_LEDGER,
  from: '        { key: doneKey, target: "create", is: 0n },\n',
  to: "",
};
const fence: Replacement = {
  file: ETCD_LEDGER,
  from: '        { key: this.#claimKeys.key(claim.id), target: "create", is: fence },\n',
  to: "",
};

export const MUTANTS: readonly Mutant[] = [
  {
    name: "fence compare",
    because: "a claim whose key went with its lease commits nothing (L3)",
    replacements: [fence],
  },
  {
    name: "epoch compare",
    because: "an owner that was replaced writes nothing (L1)",
    replacements: [{ file: OWNERSHIP, from: GUARD, to: "return [];" }],
  },
  {
    name: "epoch by modification revision",
    because: "by the create revision, a late write would match after the seal (L1, L2)",
    replacements: [
      { file: OWNERSHIP, from: GUARD, to: GUARD.replace('"mod"', '"create"') },
      { file: OWNERSHIP, from: "    this.#epoch = epoch;\n    if (this.#state.tag", to: "    if (this.#state.tag" },
    ],
  },
  {
    name: "seal before read-back",
    because: "what is read before the seal is not final (L2)",
    replacements: [
      {
        file: OWNERSHIP,
        from: "const nonces = new Set<string>();\n    while",
        to: 'const nonces = new Set<string>();\n    if (this.#lease.valid()) return "sealed";\n    while',
      },
    ],
  },
  {
    name: "one transaction in flight",
    because: "an owner's writes are decided one after the other (L1)",
    replacements: [
      {
        file: GROUP_COMMIT,
        from: "if (this.#queue.length > 0) this.#sending ??= this.#sendAll();",
        to: "if (this.#queue.length > 0) this.#sending = this.#sendAll();",
      },
      { file: GROUP_COMMIT, from: "if (this.#sending === undefined) this.#startTick();", to: "this.#startTick();" },
    ],
  },
  {
    name: "no blind resend",
    because: "a write without an answer may have been applied: sent again it fails against itself (L2)",
    replacements: [
      {
        file: GROUP_COMMIT,
        from: "const outcome = await this.#txn(guard, batch);",
        to: 'let outcome = await this.#txn(guard, batch);\n    if (outcome.kind === "unknown") outcome = await this.#txn(guard, batch);',
      },
    ],
  },
  {
    name: "done-absent compare + the owner's memory of what is done",
    because: "the compare is the second line, behind the memory, and survives alone (L4)",
    replacements: [doneAbsent, memory],
  },
  {
    name: "the owner's memory of what is done",
    because: "two runs may overlap without beginning at the same index (L4)",
    replacements: [memory],
  },
  {
    name: "the owner's memory of the claim",
    because: "a commit lies inside its claim (L4)",
    replacements: [
      {
        file: PARTITION,
        from: "if (!isInside(from, to, claim)) {\n      const { start, end, told } = claim;",
        to: "if (this.n < 0) {\n      const { start, end, told } = claim;",
      },
    ],
  },
  {
    name: "commit interval equals the run's header",
    because: "a done interval is one whole run, and a merge filters nothing (L4)",
    replacements: [
      {
        file: TAKE_COMMIT,
        from: "      header.from === commit.from &&\n      header.to === commit.to &&\n",
        to: "",
      },
    ],
  },
  {
    name: "verify before commit",
    because: "what a run refers to is durable before it is committed (L4)",
    replacements: [
      {
        file: TAKE_COMMIT,
        from: "const header = await verify(kind, result);",
        to: "const header = await verify(kind, result).catch(() => ({ ...commit, job, kind: WORK_KIND[kind] }));",
      },
    ],
  },
  {
    name: "tiling at the end",
    because: "complete is what stands in etcd, whoever has changed it (L5)",
    replacements: [
      {
        file: ETCD_LEDGER,
        from: "const contradiction = tilesExactly(keys, prefix, kvs, this.partition.n, this.#done);",
        to: "const contradiction = null;",
      },
    ],
  },
  {
    name: "claims freed before the lease is revoked",
    because: "while an owner lives, no lease frees what it thinks is held (L3)",
    replacements: [
      {
        file: POOL,
        from: "    await session.standing;\n",
        to: "    await this.#revoke(session);\n    await session.standing;\n",
      },
    ],
  },
  {
    name: "shrink with the lease",
    because: "a put without it detaches the claim for ever (L3)",
    replacements: [
      {
        file: CLAIM_KEYS,
        from: "value: this.#value(claim, left), lease: claim.lease };",
        to: "value: this.#value(claim, left) };",
      },
    ],
  },
  {
    name: "reconciliation by beats",
    because: "a claim that its worker does not know of would wait for ever",
    replacements: [
      {
        file: HEARING,
        from: "      else if (isMissing(held, beat)) onDropped(session, id, held.ledger);\n",
        to: "",
      },
    ],
  },
  {
    name: "job fence by modification revision",
    because: "stop and publish never both win",
    replacements: [
      {
        file: RECORD,
        from: 'return { key: kept.key, target: "mod", is: kept.modRevision };',
        to: 'return { key: kept.key, target: "create", is: kept.createRevision };',
      },
    ],
  },
];
