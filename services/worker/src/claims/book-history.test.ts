import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dispatch } from "@sheaf/proto";
import fc from "fast-check";
import { assigned, NOW, newBook, race } from "../testing/claims-kit.ts";
import type { Claim } from "./claim.ts";
import type { Interval } from "./terms.ts";

const { ALREADY_DONE, BAD_RESULT, CLAIM_LOST, OUTSIDE_CLAIM, TRY_AGAIN } = dispatch.RefusedCode;

// A worker and an owner that steals, refuses, forgets, has things raced and reconnects at random. Whatever happens:
//   - what is committed was finished here, lies inside the claim as the owner knows it, and no index is committed twice;
//   - cuts of a claim are contiguous, ascending and disjoint;
//   - when all has been said, the book is empty, and no index that the owner thinks the worker has was forgotten.
describe("ClaimBook, against a random owner", () => {
  type Step =
    | { readonly t: "work"; readonly pick: number; readonly finishFirst: boolean }
    | { readonly t: "cut" }
    | { readonly t: "answer"; readonly pick: number; readonly how: number }
    | { readonly t: "release"; readonly pick: number; readonly from: number }
    | { readonly t: "reconnect"; readonly lose: number }
    | { readonly t: "race"; readonly index: number }
    | { readonly t: "cancel" }
    | { readonly t: "backup"; readonly index: number };

  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ t: fc.constant("work" as const), pick: fc.nat(5), finishFirst: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ t: fc.constant("cut" as const) }) },
    { weight: 3, arbitrary: fc.record({ t: fc.constant("answer" as const), pick: fc.nat(5), how: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ t: fc.constant("release" as const), pick: fc.nat(1), from: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ t: fc.constant("reconnect" as const), lose: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ t: fc.constant("race" as const), index: fc.nat(23) }) },
    { weight: 1, arbitrary: fc.record({ t: fc.constant("cancel" as const) }) },
    { weight: 1, arbitrary: fc.record({ t: fc.constant("backup" as const), index: fc.integer({ min: 20, max: 23 }) }) },
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
    /** What the owner knows: claims, that of another worker among them, and done indexes. */
    readonly owned = new Map([
      ["a", { from: 0, to: 12 }],
      ["b", { from: 12, to: 20 }],
      ["other", { from: 20, to: 24 }],
    ]);
    /** Indexes that somebody else was first with, and that the worker was not told of yet. */
    readonly cancels: number[] = [];
    readonly done = new Set<number>();
    readonly mine = new Set<number>();
    readonly finished = new Set<number>();
    readonly running: { readonly claim: Claim; readonly index: number }[] = [];
    now = 0;

    constructor() {
      for (const id of ["a", "b"]) {
        const { from, to } = this.owned.get(id) as Interval;
        this.book.assign(assigned(id, from, to));
      }
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
            this.cancels.push(step.index);
          }
          break;
        case "cancel":
          this.cancel();
          break;
        case "backup":
          // Perhaps again: it is forgotten with its session.
          if (!this.done.has(step.index)) this.book.assign(race("other", step.index));
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
        assert.ok(ended.claim.assigned.isRace || !this.finished.has(ended.index), "an index ran twice");
        this.finished.add(ended.index);
      }
    }

    answer(pick: number, how: number): void {
      const open = this.book.claims.flatMap((claim) => claim.cuts.map((cut) => ({ claim, cut })));
      const commit = open[pick % Math.max(1, open.length)];
      if (commit === undefined) return;
      const { claim, cut } = commit;
      const owned = this.owned.get(claim.assigned.id);
      if (owned === undefined) return void this.book.refused(claim, cut, CLAIM_LOST, { from: 0, to: 0 });
      const indexes = Array.from({ length: cut.to - cut.from }, (_, i) => cut.from + i);
      const still = { from: owned.from, to: owned.to };
      if (cut.from < owned.from || cut.to > owned.to) {
        this.book.refused(claim, cut, OUTSIDE_CLAIM, still);
      } else if (indexes.some((index) => this.done.has(index))) {
        this.book.refused(claim, cut, ALREADY_DONE, still);
      } else if (how === 0) {
        this.book.refused(claim, cut, TRY_AGAIN, still);
      } else if (how === 1) {
        const after = this.book.refused(claim, cut, BAD_RESULT, still);
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

    cancel(): void {
      const index = this.cancels.shift();
      if (index === undefined) return;
      for (const id of ["a", "b", "other"]) {
        for (const { claim, cut } of this.book.giveUp(id, index)) assert.ok(claim.cuts.includes(cut));
        for (const claim of this.book.named(id, index)) {
          assert.equal(claim.holds(index), false);
          for (const cut of claim.cuts) assert.ok(index < cut.from || index >= cut.to);
        }
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
        this.cancel();
        this.answer(round, 9);
        this.check();
      }
      assert.equal(this.book.size, 0, "the book is empty in the end");
      for (const id of ["a", "b"]) {
        const { from, to } = this.owned.get(id) ?? { from: 0, to: 0 };
        for (let index = from; index < to; index++) assert.ok(this.done.has(index), `${index} was forgotten`);
      }
    }
  }
});
