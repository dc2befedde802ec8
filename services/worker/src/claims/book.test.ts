import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dispatch } from "@sheaf/proto";
import { assigned, NOW, newBook, race } from "../testing/claims-kit.ts";
import type { ClaimBook } from "./book.ts";
import type { Claim } from "./claim.ts";
import type { Assigned, Cut, Interval, Pace } from "./terms.ts";

const LATER: Pace = { cutIntervalMs: 1_000, cutBytes: 1_000 };
const { ALREADY_DONE, BAD_RESULT, CLAIM_LOST, JOB_OVER, OUTSIDE_CLAIM, TRY_AGAIN, WRONG_FENCE } = dispatch.RefusedCode;

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
    assert.equal(book.committed("a", { from: 0, to: 3 }), a);
    assert.equal(book.committed("a", { from: 0, to: 3 }), undefined);
    assert.equal(a.from, 3);
    assert.equal(book.committed("a", { from: 6, to: 10 }), a);
    assert.equal(book.size, 1);
    assert.equal(book.committed("a", { from: 3, to: 6 }), a);
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
    assert.deepEqual(book.refused(claimOf(book, "a"), first, TRY_AGAIN, still), { kind: "again", cut: first });
    const again = book.refused(claimOf(book, "a"), first, BAD_RESULT, still);
    assert.ok(again.kind === "recut");
    const [second] = again.cuts as [Cut];
    assert.deepEqual(interval(second), [0, 2]);
    assert.notEqual(second.attempt, first.attempt);
    assert.deepEqual(book.refused(claimOf(book, "a"), second, BAD_RESULT, still), { kind: "given-back", from: 0 });
    assert.equal(book.size, 0);
  });

  it("cuts again inside what is still its own", () => {
    const book = bookWith(assigned("a", 0, 10));
    const a = claimOf(book, "a");
    work(a, 6);
    const [cut] = book.cutDue(5_000, NOW).map((made) => made.cut) as [Cut];
    const after = book.refused(claimOf(book, "a"), cut, OUTSIDE_CLAIM, { from: 2, to: 5 });
    assert.ok(after.kind === "recut");
    assert.deepEqual(after.cuts.map(interval), [[2, 5]]);
    assert.equal(a.to, 5);
    assert.equal(book.committed("a", { from: 2, to: 5 }), a);
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
        const after = book.refused(claimOf(book, "a"), cut, ALREADY_DONE, { from: 0, to: 8 });
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
      book.claims.map((claim) => claim.assigned.id),
      ["a", "m"],
    );
    assert.equal(claimOf(book, "a").fence, 8n);
    assert.deepEqual(book.refused(claimOf(book, "a"), cut, CLAIM_LOST, { from: 0, to: 0 }), { kind: "nothing" });
    assert.deepEqual(book.refused(claimOf(book, "a"), { from: 1, to: 2 }, CLAIM_LOST, { from: 0, to: 0 }), {
      kind: "dropped",
    });
  });

  it("cuts around a datum that somebody else has committed", () => {
    const book = bookWith(assigned("a", 0, 5));
    const a = claimOf(book, "a");
    assert.deepEqual(book.giveUp("a", 2), []);
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

  it("cuts around one that was finished, uncut, and in front of others", () => {
    const book = bookWith(assigned("a", 0, 5));
    const a = claimOf(book, "a");
    work(a, 4);
    assert.deepEqual(book.giveUp("a", 2), []);
    assert.equal(a.holds(2), false);
    const cuts = book.cutDue(5_000, NOW).map(({ cut }) => interval(cut));
    assert.deepEqual(cuts, [
      [0, 2],
      [3, 4],
    ]);
    work(a, 1);
    assert.deepEqual(
      book.cutDue(5_000, NOW).map(({ cut }) => interval(cut)),
      [[4, 5]],
    );
  });

  it("cuts again around one that is in a cut under way, whose answers then mean nothing", () => {
    for (const [hole, left] of [
      [0, [[1, 4]]],
      [
        1,
        [
          [0, 1],
          [2, 4],
        ],
      ],
      [3, [[0, 3]]],
    ] as const) {
      const book = bookWith(assigned("a", 0, 6));
      const a = claimOf(book, "a");
      work(a, 4);
      const [cut] = book.cutDue(5_000, NOW).map((made) => made.cut) as [Cut];
      const remade = book.giveUp("a", hole).map((made) => made.cut);
      assert.deepEqual(remade.map(interval), left);
      assert.deepEqual(book.giveUp("a", hole), []);
      assert.deepEqual(book.refused(a, cut, ALREADY_DONE, { from: 0, to: 6 }), { kind: "nothing" });
      for (const each of remade) assert.notEqual(each.attempt, cut.attempt);
      for (const each of remade) assert.equal(book.committed("a", each), a);
      assert.equal(a.from, 4);
    }
    const book = bookWith(assigned("a", 0, 1));
    work(claimOf(book, "a"), 1);
    book.cutDue(5_000, NOW);
    assert.deepEqual(book.giveUp("a", 0), []);
    assert.equal(book.size, 0);
  });

  it("goes on around the straggler of several slots", () => {
    const book = bookWith(assigned("a", 0, 4));
    const a = claimOf(book, "a");
    for (const index of [0, 1, 2, 3]) assert.equal(a.prepare(), index);
    for (const index of [0, 1, 2, 3]) assert.ok(a.start(index, 100 * index));
    for (const index of [1, 2, 3]) {
      a.ended(index);
      assert.ok(a.finish(index, 1));
    }
    assert.deepEqual(a.running(1_000), [{ index: 0, ms: 1_000, progress: "" }]);
    assert.equal(a.isFinished, false);
    assert.deepEqual(book.giveUp("a", 0), []);
    assert.deepEqual(a.running(1_000), []);
    assert.equal(a.finish(0, 1), false, "the outcome of the loser is dropped");
    assert.deepEqual(
      book.cutDue(0, LATER).map(({ cut }) => interval(cut)),
      [[1, 4]],
    );
  });

  it("drops a claim whose fence or job is another", () => {
    for (const code of [WRONG_FENCE, CLAIM_LOST, JOB_OVER]) {
      const book = bookWith(assigned("a", 0, 4));
      const a = claimOf(book, "a");
      work(a, 2);
      const [cut] = book.cutDue(5_000, NOW).map((made) => made.cut) as [Cut];
      assert.deepEqual(book.refused(a, cut, code, { from: 0, to: 4 }), { kind: "dropped" });
      assert.equal(book.size, 0);
      assert.equal(a.holds(2), false);
    }
  });

  it("knows which indexes run, and which failed and are open", () => {
    const book = bookWith(assigned("a", 0, 4));
    const a = claimOf(book, "a");
    a.prepare();
    a.start(0, 10);
    assert.deepEqual(a.running(25), [{ index: 0, ms: 15, progress: "" }]);
    a.progressed(0, "40 %");
    assert.deepEqual(a.running(25), [{ index: 0, ms: 15, progress: "40 %" }]);
    a.ended(0);
    a.tried(0, 1);
    assert.deepEqual([a.running(25), a.openTries()], [[], [[0, 1]]]);
    a.start(0, 30);
    assert.deepEqual(book.holds(31)[0]?.running, [{ index: 0, ms: 1, progress: "" }], "another try says nothing yet");
    a.progressed(1, "what does not run says nothing");
    assert.ok(a.finish(0, 1));
    assert.deepEqual([a.running(40), a.openTries()], [[], []]);
    a.prepare();
    a.start(1, 50);
    a.tried(1, 2);
    book.giveUp("a", 1);
    assert.deepEqual([a.running(60), a.openTries()], [[], []]);
  });

  it("races like it claims: takes a place, runs in its turn, and commits one index", () => {
    const book = bookWith(assigned("a", 0, 1), race("x", 7), race("x", 9));
    assert.equal(book.claim("x"), undefined);
    assert.equal(book.capacity(), 0);
    work(claimOf(book, "a"), 1);
    const seven = book.nextToPrepare("process") as Claim;
    assert.deepEqual([seven.assigned.id, seven.next], ["x", 7]);
    work(seven, 1);
    assert.deepEqual(
      book.holds(0).map(({ claim, next, finished, isRace }) => [claim, next, finished, isRace]),
      [
        ["a", 1, 1, false],
        ["x", 8, 1, true],
        ["x", 9, 0, true],
      ],
    );
    assert.deepEqual(
      book.cutDue(0, LATER).map(({ claim, cut }) => [claim.assigned.id, ...interval(cut)]),
      [
        ["a", 0, 1],
        ["x", 7, 8],
      ],
    );
    assert.equal(book.committed("x", { from: 7, to: 8 }), seven);
    assert.deepEqual(
      book.named("x").map((claim) => claim.assigned.from),
      [9],
    );
  });

  it("ends a race with whatever goes wrong", () => {
    const raced = () => {
      const book = bookWith(assigned("a", 0, 4), race("x", 7));
      const [claim] = book.named("x") as [Claim];
      return { book, claim };
    };
    for (const code of [TRY_AGAIN, BAD_RESULT, ALREADY_DONE, OUTSIDE_CLAIM, WRONG_FENCE]) {
      const { book, claim } = raced();
      work(claim, 1);
      const [made] = book.cutDue(0, LATER);
      const still = { from: 0, to: 9 };
      assert.deepEqual(book.refused(claim, made?.cut as Cut, code, still), { kind: "dropped" });
      assert.equal(book.size, 1);
    }
    for (const end of [
      (book: ClaimBook) => book.giveUp("x", 7),
      (book: ClaimBook) => book.sessionLost("master"),
      (book: ClaimBook) => book.releaseTails(),
      // Even if the owner names it, which holds it to be a claim then: it is shown in no Hello.
      (book: ClaimBook) =>
        book.standing(
          "master",
          new Map([
            ["a", { from: 0, to: 4, fence: 7n }],
            ["x", { from: 0, to: 9, fence: 7n }],
          ]),
        ),
    ]) {
      const { book, claim } = raced();
      claim.prepare();
      claim.start(7, 0);
      end(book);
      assert.equal(claim.holds(7), false, "what runs is not wanted any more");
      assert.deepEqual(book.named("x"), []);
    }
    const { book, claim } = raced();
    book.sessionLost("merge");
    book.giveUp("x", 8);
    assert.deepEqual(book.release("x", 0), 0, "it is not given back");
    assert.ok(book.has(claim));
  });

  it("takes no race of a claim of its own, and none twice", () => {
    const book = bookWith(assigned("a", 0, 4), race("a", 2), race("x", 7), race("x", 7));
    assert.equal(book.size, 2);
    assert.equal(claimOf(book, "a").to, 4);
  });
});
