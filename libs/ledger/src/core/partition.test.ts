import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Partition } from "./partition.ts";

const N = 24;

/** What a plain array of cells says: "free", "done", or the id of a claim. */
type Cells = string[];

type Step =
  | { do: "claim"; at: number; size: number }
  | { do: "commit"; which: number; from: number; size: number; staleFence: boolean }
  | { do: "release"; which: number; from: number }
  | { do: "free"; which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("claim" as const), at: fc.nat(N), size: fc.integer({ min: 1, max: 9 }) }),
  fc.record({
    do: fc.constant("commit" as const),
    which: fc.nat(5),
    from: fc.nat(N),
    size: fc.integer({ min: 1, max: 9 }),
    staleFence: fc.boolean(),
  }),
  fc.record({ do: fc.constant("release" as const), which: fc.nat(5), from: fc.nat(N) }),
  fc.record({ do: fc.constant("free" as const), which: fc.nat(5) }),
);

function cellsOf(partition: Partition, done: Set<number>): Cells {
  const cells: Cells = Array.from({ length: N }, () => "free");
  for (const claim of partition.claims.values()) {
    for (let i = claim.start; i < claim.end; i++) {
      assert.equal(cells[i], "free", `index ${i} is in two claims`);
      cells[i] = claim.id;
    }
  }
  for (const i of done) cells[i] = "done"; // L5: done wins over claimed
  return cells;
}

test("Partition keeps every index free, claimed or done, and never two of them (L5)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const partition = new Partition(N);
      const done = new Set<number>();
      let ids = 0;
      for (const one of steps) {
        apply(partition, done, one, () => `claim-${ids++}`);
        const free = partition.free.flatMap((part) =>
          Array.from({ length: part.end - part.start }, (_, i) => part.start + i),
        );
        const cells = cellsOf(partition, done);
        assert.deepEqual(
          free,
          cells.flatMap((cell, i) => (cell === "free" ? [i] : [])),
        );
        assert.equal(partition.doneCount, done.size);
        assert.equal(partition.isComplete, done.size === N);
      }
    }),
    { numRuns: 2_000 },
  );
});

function apply(partition: Partition, done: Set<number>, one: Step, id: () => string): void {
  if (one.do === "claim") {
    const room = partition.free.find((part) => part.end > one.at) ?? partition.free[0];
    if (room === undefined) return;
    const claim = partition.reserve(id(), "w", "1", room.start, Math.min(room.end, room.start + one.size));
    partition.claimed(claim.id, BigInt(claim.id.slice(6)) + 100n);
    return;
  }
  const claim = [...partition.claims.values()][one.which];
  if (claim === undefined || claim.fence === null) return;
  if (one.do === "free") return partition.freed(claim.id);
  if (one.do === "release") {
    const verdict = partition.mayRelease(claim.id, one.from);
    if (verdict.kind === "shrink") partition.shrunk(claim.id, verdict.to);
    if (verdict.kind === "free") partition.freed(claim.id);
    return;
  }
  const [from, to] = [one.from, one.from + one.size];
  const fence = one.staleFence ? claim.fence - 1n : claim.fence;
  const verdict = partition.mayCommit(claim.id, fence, from, to);
  const inside = claim.start <= from && to <= claim.end;
  const fresh = Array.from({ length: to - from }, (_, i) => from + i).every((i) => !done.has(i));
  // L4: a commit is taken exactly when the fence is right, it is inside its claim, and nothing of it is done.
  assert.equal(verdict.kind === "ok", !one.staleFence && inside && fresh);
  if (verdict.kind !== "ok") return;
  partition.committed(claim.id, from, to);
  for (let i = from; i < to; i++) done.add(i);
  const left = partition.claims.get(claim.id);
  assert.deepEqual(left && { start: left.start, end: left.end }, verdict.left ?? undefined);
}

test("Partition.loadDone() and loadClaim() refuse what overlaps or lies outside", () => {
  const partition = new Partition(10);
  const loaded = { worker: "w", lease: "1", fence: 1n };
  assert.equal(partition.loadDone(2, 5), true);
  assert.equal(partition.loadDone(4, 6), false);
  assert.equal(partition.loadDone(8, 11), false);
  assert.equal(partition.loadDone(5, 5), false);
  assert.equal(
    partition.loadClaim({ ...loaded, id: "a", start: 0, end: 4 }),
    true,
    "a claim may hold what is done: done wins",
  );
  assert.equal(partition.loadClaim({ ...loaded, id: "b", start: 3, end: 6 }), false);
  assert.deepEqual(partition.free, [{ start: 5, end: 10 }]);
});

test("Partition.mayCommit() says what is still the worker's", () => {
  const partition = new Partition(10);
  partition.claimed(partition.reserve("a", "w", "1", 0, 8).id, 7n);
  partition.committed("a", 0, 3);
  assert.deepEqual(partition.mayCommit("a", 7n, 2, 5), {
    kind: "outside-claim",
    still: { start: 3, end: 8 },
    isLie: false,
  });
  partition.committed("a", 5, 6);
  const verdict = partition.mayCommit("a", 7n, 4, 6);
  assert.deepEqual(verdict, { kind: "already-done", still: { start: 3, end: 8 } });
  assert.equal(partition.mayCommit("a", 8n, 3, 4).kind, "wrong-fence");
  const beyond = partition.mayCommit("a", 7n, 4, 11);
  assert.equal(beyond.kind === "outside-claim" && beyond.isLie, true, "it never was told to be the worker's");
  assert.equal(partition.mayCommit("b", 7n, 3, 4).kind, "claim-lost");
});
