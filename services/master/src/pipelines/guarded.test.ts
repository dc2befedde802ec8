// L2: what an owner makes of a write whose outcome was unknown; by then its epoch is sealed, so a read is the truth.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ChangeOutcome, Etcd, KeyValue } from "@sheaf/etcd";
import type { Ownership } from "@sheaf/ledger";
import { writeGuarded } from "./guarded.ts";

const value = (text: string) => new TextEncoder().encode(text);
const kept = (text: string): KeyValue => ({
  key: "jobs/p/1",
  value: value(text),
  createRevision: 5n,
  modRevision: 8n,
  version: 2n,
  lease: "0",
});
const write = {
  name: "job p/1 to MERGING",
  compare: [{ key: "jobs/p/1", target: "mod", is: 5n } as const],
  ops: [{ put: "jobs/p/1", value: value("ours") }],
  mark: "jobs/p/1",
};

function written(outcome: ChangeOutcome, now: KeyValue | null = null) {
  let reads = 0;
  const etcd = {
    get: async () => {
      reads++;
      return now;
    },
  } as unknown as Etcd;
  const ownership = { submit: async () => outcome } as unknown as Ownership;
  return writeGuarded(etcd, ownership, write).then((result) => ({ result, reads }));
}

describe("writeGuarded()", () => {
  it("reads nothing when the outcome is known", async () => {
    const applied = await written({ kind: "applied", revision: 9n });
    assert.deepEqual(applied, { result: { kind: "applied", revision: 9n }, reads: 0 });
    const refused = await written({ kind: "refused", current: [null] });
    assert.deepEqual(refused.result, { kind: "refused", current: [null] });
    assert.deepEqual((await written({ kind: "lost" })).result, { kind: "lost" });
  });

  it("finds its own value after an unknown outcome", async () => {
    const { result } = await written({ kind: "unknown" }, kept("ours"));
    assert.deepEqual(result, { kind: "applied", revision: 8n });
  });

  it("takes another value, or none, for a refusal", async () => {
    for (const now of [kept("theirs"), null]) {
      const { result } = await written({ kind: "unknown" }, now);
      assert.deepEqual(result, { kind: "refused", current: [] });
    }
  });
});
