import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { dispatch, store } from "@sheaf/proto";
import fc from "fast-check";
import { ClaimBook } from "./book.ts";
import type { Assigned, Claim, Cut, Interval, Kind, Owner, Pace } from "./claim.ts";

const input = create(store.ObjectRefSchema, { key: "work/x", size: 1n });
const NOW: Pace = { cutIntervalMs: 0, cutBytes: 1 };
const LATER: Pace = { cutIntervalMs: 1_000, cutBytes: 1_000 };
const { ALREADY_DONE, BAD_RESULT, CLAIM_LOST, OUTSIDE_CLAIM, TRY_AGAIN } = dispatch.RefusedCode;

function assigned(id: string, from: number, to: number, kind: Kind = "process", owner: Owner = "master"): Assigned {
  return { owner, id, fence: 7n, job: "job", kind, from, to, input };
}

function newBook(): ClaimBook {
  let attempts = 0;
  return new ClaimBook(() => `attempt-${++attempts}`);
}

function bookWith(...claims: Assigned[]): ClaimBook {
  const book = newBook();
  for (const claim of claims) book.assign(claim);
  return book;
}

function claimOf(book: ClaimBook, id: string): Claim {
  return book.claim(id) as Claim;
}

/** Prepares, starts and finishes the next `count` indexes. */
function work(claim: Claim, count: number, now = 0): void {
  for (let i = 0; i < count; i++) {
    const index = claim.prepare() as number;
    assert.ok(claim.start(index, now));
    assert.ok(claim.finish(index, 10));
  }
}

const interval = ({ from, to }: Interval) => [from, to];

describe("ClaimBook", () => {
  it("cuts when the claim is finished, after the interval, or at enough bytes", () => {
    const book = bookWith(assigned("a", 0, 10));
    const a = claimOf(book, "a");
    work(a, 3, 0);
    assert.deepEqual(book.cutDue(999, LATER), []);
    assert.deepEqual(
      book.cutDue(1_000, LATER).map(({ cut }) => interval(cut)),
      [[0, 3]],
    );
    work(a, 3, 1_500);
    assert.deepEqual(
      book.cutDue(1_600, { cutIntervalMs: 1_000, cutBytes: 30 }).map(({ cut }) => interval(cut)),
      [[3, 6]],
    );
    work(a, 4, 1_700);
    assert.deepEqual(
      book.cutDue(1_700, LATER).map(({ cut }) => interval(cut)),
      [[6, 10]],
    );
    assert.equal(book.committed("a", { from: 0, to: 3 }), true);
    assert.equal(book.committed("a", { from: 0, to: 3 }), false);
    assert.equal(a.from, 3);
    assert.equal(book.committed("a", { from: 6, to: 10 }), true);
    assert.equal(book.size, 1);
    assert.equal(book.committed("a", { from: 3, to: 6 }), true);
    assert.equal(book.size, 0);
  });

  it("cuts only what is finished without a gap", () => {
    const book = bookWith(assigned("a", 5, 9));
    const a = claimOf(book, "a");
    for (const index of [5, 6, 7, 8]) assert.equal(a.prepare(), index);
    for (const index of [5, 6, 7, 8]) a.start(index, 0);
    a.finish(6, 1);
    a.finish(8, 1);
    assert.deepEqual(book.cutDue(5_000, NOW), []);
    a.finish(5, 1);
    assert.deepEqual(
      book.cutDue(5_000, NOW).map(({ cut }) => interval(cut)),
      [[5, 7]],
    );
    a.finish(7, 1);
    assert.deepEqual(
      book.cutDue(5_000, NOW).map(({ cut }) => interval(cut)),
      [[7, 9]],
    );
  });

  it("holds one claim in work and one in waiting, and does not count what only waits for its commit", () => {
    const book = newBook();
    assert.equal(book.capacity(), 2);
    book.assign(assigned("a", 0, 2));
    book.assign(assigned("b", 2, 4));
    assert.equal(book.capacity(), 0);
    work(claimOf(book, "a"), 2);
    assert.equal(book.capacity(), 1);
    for (const id of ["c", "d", "e", "f"]) {
      book.assign(assigned(id, 10, 11));
      work(claimOf(book, id), 1);
    }
    assert.equal(book.size, 6);
    assert.equal(book.capacity(), 0);
  });

  it("runs process claims into each other, and plan and merge work alone", () => {
    const book = bookWith(
      assigned("a", 0, 1),
      assigned("b", 1, 2),
      assigned("m", 0, 2, "merge", "merge"),
      assigned("c", 2, 3),
    );
    assert.equal(book.nextToPrepare("process")?.assigned.id, "a");
    assert.equal(book.nextToPrepare("merge"), undefined);
    claimOf(book, "a").prepare();
    assert.equal(book.nextToPrepare("process")?.assigned.id, "b");
    claimOf(book, "b").prepare();
    assert.equal(book.nextToPrepare("process"), undefined);
    for (const [id, index] of [
      ["a", 0],
      ["b", 1],
    ] as const) {
      claimOf(book, id).start(index, 0);
      claimOf(book, id).finish(index, 1);
    }
    assert.equal(book.nextToPrepare("merge")?.assigned.id, "m");
    assert.equal(book.nextToPrepare("process"), undefined);
    work(claimOf(book, "m"), 2);
    assert.equal(book.nextToPrepare("process")?.assigned.id, "c");
  });

  it("gives back the unstarted tail and no more", () => {
    const book = bookWith(assigned("a", 0, 10));
    const a = claimOf(book, "a");
    work(a, 2);
    a.prepare();
    a.start(2, 0);
    a.prepare();
    assert.equal(book.release("a", 1), 3);
    assert.equal(a.holds(3), false);
    assert.equal(a.start(3, 0), false);
    assert.equal(a.hasUnprepared, false);
    assert.equal(book.release("a", 9), 3);
    assert.equal(book.release("unknown", 5), 0);
    const fresh = bookWith(assigned("b", 4, 8));
    assert.equal(fresh.release("b", 4), 4);
    assert.equal(fresh.size, 0);
  });

  it("sends again what the owner could not judge, and builds once more what it called bad", () => {
    const book = bookWith(assigned("a", 0, 4));
    work(claimOf(book, "a"), 2);
    const [first] = book.cutDue(5_000, NOW).map(({ cut }) => cut) as [Cut];
    const still = { from: 0, to: 4 };
    assert.deepEqual(book.refused("a", first, TRY_AGAIN, still), { kind: "again", cut: first });
    const again = book.refused("a", first, BAD_RESULT, still);
    assert.ok(again.kind === "recut");
    const [second] = again.cuts as [Cut];
    assert.deepEqual(interval(second), [0, 2]);
    assert.notEqual(second.attempt, first.attempt);
    assert.deepEqual(book.refused("a", second, BAD_RESULT, still), { kind: "given-back", from: 0 });
    assert.equal(book.size, 0);
  });

  it("cuts again inside what is still its own", () => {
    const book = bookWith(assigned("a", 0, 10));
    const a = claimOf(book, "a");
    work(a, 6);
    const [cut] = book.cutDue(5_000, NOW).map((made) => made.cut) as [Cut];
    const after = book.refused("a", cut, OUTSIDE_CLAIM, { from: 2, to: 5 });
    assert.ok(after.kind === "recut");
    assert.deepEqual(after.cuts.map(interval), [[2, 5]]);
    assert.equal(a.to, 5);
    assert.equal(book.committed("a", { from: 2, to: 5 }), true);
  });

  it("finds by halves which of its results are done already", () => {
    const book = bookWith(assigned("a", 0, 8));
    work(claimOf(book, "a"), 8);
    const done = new Set([3]);
    const committed: number[] = [];
    let open = book.cutDue(0, NOW).map(({ cut }) => cut);
    for (let cut = open.shift(); cut !== undefined; cut = open.shift()) {
      const indexes = Array.from({ length: cut.to - cut.from }, (_, i) => cut.from + i);
      if (indexes.some((index) => done.has(index))) {
        const after = book.refused("a", cut, ALREADY_DONE, { from: 0, to: 8 });
        if (after.kind === "recut") open = [...after.cuts, ...open];
      } else {
        committed.push(...indexes);
        book.committed("a", cut);
      }
    }
    assert.deepEqual(committed.sort(), [0, 1, 2, 4, 5, 6, 7]);
    assert.equal(book.size, 0);
  });

  it("drops what is lost, and what does not stand after a new greeting", () => {
    const book = bookWith(assigned("a", 0, 4), assigned("b", 4, 8), assigned("m", 0, 1, "merge", "merge"));
    work(claimOf(book, "a"), 2);
    const [cut] = book.cutDue(5_000, NOW).map((made) => made.cut) as [Cut];
    assert.deepEqual(
      book.standing("master", new Map([["a", { from: 1, to: 4, fence: 8n }]])).map((made) => interval(made.cut)),
      [[1, 2]],
    );
    assert.deepEqual(
      [...book.claims].map((claim) => claim.assigned.id),
      ["a", "m"],
    );
    assert.equal(claimOf(book, "a").fence, 8n);
    assert.deepEqual(book.refused("a", cut, CLAIM_LOST, { from: 0, to: 0 }), { kind: "nothing" });
    assert.deepEqual(book.refused("a", { from: 1, to: 2 }, CLAIM_LOST, { from: 0, to: 0 }), { kind: "dropped" });
  });

  it("cuts around a datum that somebody else has committed", () => {
    const book = bookWith(assigned("a", 0, 5));
    const a = claimOf(book, "a");
    assert.equal(book.giveUp("a", 2), false);
    const prepared: number[] = [];
    for (let index = a.prepare(); index !== undefined; index = a.prepare()) prepared.push(index);
    assert.deepEqual(prepared, [0, 1, 3, 4]);
    for (const index of prepared) {
      a.start(index, 0);
      a.finish(index, 1);
    }
    assert.deepEqual(
      book.cutDue(0, LATER).map(({ cut }) => interval(cut)),
      [
        [0, 2],
        [3, 5],
      ],
    );
    assert.equal(a.isFinished, true);
  });
});

// A worker and an owner that steals, refuses, forgets and reconnects at random. Whatever happens:
//   - what is committed was finished here, lies inside the claim as the owner knows it, and no index is committed twice;
//   - cuts of a claim are contiguous, ascending and disjoint;
//   - when all has been said, the book is empty.
describe("ClaimBook, against a random owner", () => {
  type Step =
    | { readonly t: "work"; readonly pick: number; readonly finishFirst: boolean }
    | { readonly t: "cut" }
    | { readonly t: "answer"; readonly pick: number; readonly how: number }
    | { readonly t: "release"; readonly pick: number; readonly from: number }
    | { readonly t: "reconnect"; readonly lose: number }
    | { readonly t: "race"; readonly index: number };

  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ t: fc.constant("work" as const), pick: fc.nat(5), finishFirst: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ t: fc.constant("cut" as const) }) },
    { weight: 3, arbitrary: fc.record({ t: fc.constant("answer" as const), pick: fc.nat(5), how: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ t: fc.constant("release" as const), pick: fc.nat(1), from: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ t: fc.constant("reconnect" as const), lose: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ t: fc.constant("race" as const), index: fc.nat(20) }) },
  );

  it("commits each index at most once, and ends with nothing held", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const world = new World();
        for (const each of steps) world.step(each);
        world.settle();
      }),
      { numRuns: 2_000 },
    );
  });

  class World {
    readonly book = newBook();
    /** What the owner knows: claims and done indexes. */
    readonly owned = new Map([
      ["a", { from: 0, to: 12 }],
      ["b", { from: 12, to: 20 }],
    ]);
    readonly done = new Set<number>();
    readonly mine = new Set<number>();
    readonly finished = new Set<number>();
    readonly running: { readonly claim: Claim; readonly index: number }[] = [];
    now = 0;

    constructor() {
      for (const [id, { from, to }] of this.owned) this.book.assign(assigned(id, from, to));
    }

    step(step: Step): void {
      this.now++;
      switch (step.t) {
        case "work":
          this.work(step.pick, step.finishFirst);
          break;
        case "cut":
          this.book.cutDue(this.now, NOW);
          break;
        case "answer":
          this.answer(step.pick, step.how);
          break;
        case "release": {
          const id = ["a", "b"][step.pick] as string;
          const owned = this.owned.get(id);
          const from = this.book.release(id, step.from);
          if (owned !== undefined) owned.to = Math.max(owned.from, Math.min(owned.to, from));
          break;
        }
        case "reconnect":
          this.reconnect(step.lose);
          break;
        case "race":
          // Somebody else commits an index that this worker may be running (L7).
          if (!this.done.has(step.index)) {
            this.done.add(step.index);
            for (const claim of [...this.book.claims]) this.book.giveUp(claim.assigned.id, step.index);
          }
          break;
      }
      this.check();
    }

    work(pick: number, finishFirst: boolean): void {
      const claim = this.book.nextToPrepare("process");
      const index = claim?.prepare();
      if (claim !== undefined && index !== undefined && claim.start(index, this.now))
        this.running.push({ claim, index });
      const [ended] = this.running.splice(finishFirst ? 0 : pick % Math.max(1, this.running.length), 1);
      if (ended?.claim.finish(ended.index, 1)) {
        assert.ok(!this.finished.has(ended.index), "an index ran twice");
        this.finished.add(ended.index);
      }
    }

    answer(pick: number, how: number): void {
      const open = [...this.book.claims].flatMap((claim) => claim.cuts.map((cut) => ({ claim, cut })));
      const commit = open[pick % Math.max(1, open.length)];
      if (commit === undefined) return;
      const { claim, cut } = commit;
      const owned = this.owned.get(claim.assigned.id);
      if (owned === undefined) return void this.book.refused(claim.assigned.id, cut, CLAIM_LOST, { from: 0, to: 0 });
      const indexes = Array.from({ length: cut.to - cut.from }, (_, i) => cut.from + i);
      const still = { from: owned.from, to: owned.to };
      if (cut.from < owned.from || cut.to > owned.to) {
        this.book.refused(claim.assigned.id, cut, OUTSIDE_CLAIM, still);
      } else if (indexes.some((index) => this.done.has(index))) {
        this.book.refused(claim.assigned.id, cut, ALREADY_DONE, still);
      } else if (how === 0) {
        this.book.refused(claim.assigned.id, cut, TRY_AGAIN, still);
      } else if (how === 1) {
        const after = this.book.refused(claim.assigned.id, cut, BAD_RESULT, still);
        if (after.kind === "given-back") owned.to = Math.max(owned.from, after.from);
      } else {
        for (const index of indexes) {
          assert.ok(this.finished.has(index), `${index} was committed and never finished`);
          assert.ok(!this.mine.has(index), `${index} was committed twice`);
          this.mine.add(index);
          this.done.add(index);
        }
        // how 2: the answer is lost, and the worker will send it again.
        if (how !== 2) this.book.committed(claim.assigned.id, cut);
      }
    }

    reconnect(lose: number): void {
      if (lose === 1) this.owned.delete("a");
      if (lose === 2) this.owned.delete("b");
      for (const owned of this.owned.values()) {
        while (owned.from < owned.to && this.done.has(owned.from)) owned.from++;
        while (owned.to > owned.from && this.done.has(owned.to - 1)) owned.to--;
      }
      this.book.standing("master", new Map([...this.owned].map(([id, interval]) => [id, { ...interval, fence: 7n }])));
    }

    check(): void {
      for (const claim of this.book.claims) {
        const { from, to } = claim.assigned;
        let end = from;
        for (const cut of claim.cuts) {
          assert.ok(cut.from >= end && cut.from < cut.to && cut.to <= to, "cuts ascend inside the claim");
          end = cut.to;
          for (let index = cut.from; index < cut.to; index++) assert.ok(this.finished.has(index));
        }
        assert.ok(claim.next <= claim.to && claim.from <= claim.to);
      }
    }

    settle(): void {
      for (let round = 0; round < 500 && this.book.size > 0; round++) {
        this.now++;
        this.work(0, true);
        this.book.cutDue(this.now, NOW);
        this.answer(round, 9);
        this.check();
      }
      assert.equal(this.book.size, 0, "the book is empty in the end");
    }
  }
});
