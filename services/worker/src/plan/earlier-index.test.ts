import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { EarlierIndex } from "./earlier-index.ts";

const idOf = (text: string) => createHash("sha256").update(text).digest("hex");

describe("EarlierIndex", () => {
  it("finds each of many datums of several jobs, and no other", () => {
    const counts = [30_000, 0, 1, 20_000];
    const index = new EarlierIndex(counts);
    counts.forEach((count, job) => {
      for (let i = 0; i < count; i += 2) index.add(idOf(`${job} ${i}`), job, i);
    });
    counts.forEach((count, job) => {
      for (let i = 0; i < count; i++) {
        const expected = i % 2 === 0 ? { job, index: BigInt(i) } : undefined;
        assert.deepEqual(index.find(idOf(`${job} ${i}`)), expected);
      }
    });
  });

  it("keeps the first of several with one id: that of the newest job", () => {
    const index = new EarlierIndex([5, 5]);
    index.add(idOf("x"), 0, 4);
    index.add(idOf("x"), 1, 0);
    index.add(idOf("x"), 0, 1);
    assert.deepEqual(index.find(idOf("x")), { job: 0, index: 4n });
  });

  it("holds what it was made for to the last datum, also when all ids want one place", () => {
    const index = new EarlierIndex([100]);
    const id = (i: number) => `ffffffff${i.toString(16).padStart(8, "0")}`;
    for (let i = 0; i < 100; i++) index.add(id(i), 0, i);
    for (let i = 0; i < 100; i++) assert.deepEqual(index.find(id(i)), { job: 0, index: BigInt(i) });
    assert.equal(index.find(id(100)), undefined);
  });

  it("finds nothing when there is nothing, and nothing by what is no id", () => {
    assert.equal(new EarlierIndex([]).find(idOf("x")), undefined);
    assert.equal(new EarlierIndex([3]).find("nonsense"), undefined);
  });
});
