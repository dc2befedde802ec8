// What `settle` makes of a write whose outcome is unknown, in every way in which it may have gone.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeyValue, Txn, TxnOutcome } from "@sheaf/etcd";
import { manualClock, seededRandom } from "@sheaf/runtime";
import { settle, type Write } from "./settle.ts";

const value = (text: string) => new TextEncoder().encode(text);
const write: Write = {
  what: 'create repo "a"',
  compare: [{ key: "repos/a", target: "create", is: 0n }],
  then: [{ put: "repos/a", value: value("ours") }],
  mark: "repos/a",
};
const removal: Write = {
  what: 'delete repo "a"',
  compare: [{ key: "repos/a", target: "mod", is: 7n }],
  then: [{ delete: "repos/a" }],
  mark: "repos/a",
};
const kept = (text: string): KeyValue => ({
  key: "repos/a",
  value: value(text),
  createRevision: 5n,
  modRevision: 6n,
  version: 1n,
  lease: "0",
});
const unknown: TxnOutcome = { kind: "unknown", cause: "timed out" };
const refused = (now: KeyValue | null): TxnOutcome => ({ kind: "refused", revision: 9n, reads: [now] });

/** An etcd that answers as told, and counts what it was sent. */
function scripted(...outcomes: TxnOutcome[]) {
  const sent: Txn[] = [];
  const clock = manualClock();
  const etcd = {
    txn: async (txn: Txn) => {
      sent.push(txn);
      return outcomes[Math.min(sent.length, outcomes.length) - 1] ?? unknown;
    },
  };
  const deps = { etcd: etcd as never, clock, random: seededRandom(1) };
  return { sent, settle: (asked: Write) => clock.until(settle(deps, asked)) };
}

describe("settle()", () => {
  it("is sent once when the answer comes", async () => {
    const { sent, settle } = scripted({ kind: "applied", revision: 8n, reads: [] });
    assert.deepEqual(await settle(write), { kind: "applied", revision: 8n });
    assert.equal(sent.length, 1);
  });

  it("a first refusal is a refusal, also when the same was written by another", async () => {
    assert.deepEqual(await scripted(refused(kept("ours"))).settle(write), { kind: "refused" });
  });

  it("a write that was lost applies when it is sent again, under the same compares", async () => {
    const { sent, settle } = scripted(unknown, { kind: "applied", revision: 8n, reads: [] });
    assert.deepEqual(await settle(write), { kind: "applied", revision: 8n });
    assert.deepEqual(sent[0], sent[1]);
  });

  it("a write that had applied is found by its mark", async () => {
    assert.deepEqual(await scripted(unknown, refused(kept("ours"))).settle(write), { kind: "applied", revision: 6n });
  });

  it("somebody else was first", async () => {
    assert.deepEqual(await scripted(unknown, refused(kept("theirs"))).settle(write), { kind: "refused" });
    assert.deepEqual(await scripted(unknown, refused(null)).settle(write), { kind: "refused" });
  });

  it("a deletion that had applied is found by the key's absence", async () => {
    assert.equal((await scripted(unknown, refused(null)).settle(removal)).kind, "applied");
    assert.equal((await scripted(unknown, refused(kept("new"))).settle(removal)).kind, "refused");
  });

  it("gives up with UNAVAILABLE, and says what is not known", async () => {
    const { sent, settle } = scripted(unknown);
    await assert.rejects(settle(write), { code: "UNAVAILABLE", reason: "OUTCOME_UNKNOWN", message: /create repo "a"/ });
    assert.equal(sent.length, 6);
  });

  it("refuses to send what it could not recognise", async () => {
    await assert.rejects(scripted().settle({ ...write, compare: [] }), { code: "INTERNAL" });
    await assert.rejects(scripted().settle({ ...write, mark: "repos/b" }), { code: "INTERNAL" });
  });
});
