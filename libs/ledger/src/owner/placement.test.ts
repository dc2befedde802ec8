import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decideTurn, handsOver, rightfulOwner, STAND_IN_MS } from "./placement.ts";

const ids = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,8}$/), { minLength: 1, maxLength: 6 });
const name = fc.stringMatching(/^[a-z]{1,12}$/);

describe("rightfulOwner", () => {
  it("does not depend on the order of the replicas", () => {
    fc.assert(
      fc.property(name, ids, (pipeline, replicas) => {
        assert.equal(rightfulOwner(pipeline, replicas), rightfulOwner(pipeline, replicas.toReversed()));
      }),
    );
  });

  it("moves only what the replica that comes or goes has", () => {
    fc.assert(
      fc.property(name, ids, fc.nat(), (pipeline, replicas, pick) => {
        const one = replicas[pick % replicas.length];
        const others = replicas.filter((id) => id !== one);
        const [before, after] = [rightfulOwner(pipeline, replicas), rightfulOwner(pipeline, others)];
        if (before !== one) assert.equal(after, before);
      }),
    );
  });

  it("spreads evenly", () => {
    const replicas = ["a", "b", "c", "d"];
    const counts = new Map<string | undefined, number>();
    for (let i = 0; i < 4_000; i++) {
      const owner = rightfulOwner(`pipeline-${i}`, replicas);
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    for (const id of replicas) assert.ok(Math.abs((counts.get(id) ?? 0) - 1_000) < 150, JSON.stringify([...counts]));
  });

  it("knows nobody where nobody lives", () => assert.equal(rightfulOwner("p", []), undefined));
});

const replicas = ["a", "b"];
const rightful = rightfulOwner("p", replicas) ?? "";
const other = replicas.find((id) => id !== rightful) ?? "";
const view = { pipeline: "p", replicas, absentSinceMs: 1_000, nowMs: 1_000 };

describe("decideTurn", () => {
  it("lets the rightful owner take an absent key at once, and any other after two seconds (H2)", () => {
    assert.deepEqual(decideTurn({ ...view, self: rightful }), { kind: "now" });
    assert.deepEqual(decideTurn({ ...view, self: other }), { kind: "at", ms: 1_000 + STAND_IN_MS });
    assert.deepEqual(decideTurn({ ...view, self: other, nowMs: 1_000 + STAND_IN_MS }), { kind: "now" });
  });

  it("takes no key that somebody holds", () => {
    assert.deepEqual(decideTurn({ ...view, self: rightful, absentSinceMs: null }), { kind: "wait" });
  });

  it("gives nothing to a replica that is not listed, however long the key is absent", () => {
    assert.deepEqual(decideTurn({ ...view, self: "c", nowMs: 1e9 }), { kind: "wait" });
  });
});

describe("handsOver", () => {
  const live = (since: bigint) => [
    { id: other, since: 5n },
    { id: rightful, since },
  ];

  it("gives a pipeline to its rightful owner when that has come after it was taken", () => {
    assert.equal(handsOver("p", other, 10n, live(11n)), true);
  });

  it("keeps what it took while the rightful owner was there and did not take it (H3)", () => {
    assert.equal(handsOver("p", other, 10n, live(9n)), false);
  });

  it("keeps its own", () => assert.equal(handsOver("p", rightful, 3n, live(1n)), false));
});
