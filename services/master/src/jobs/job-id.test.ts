import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isId, manualClock, newId, seededRandom } from "@sheaf/runtime";
import { jobIdAfter } from "./job-id.ts";

describe("jobIdAfter()", () => {
  it("sorts behind the newest job, also when the clock went back a year", () => {
    const random = seededRandom(1);
    const ahead = manualClock(Date.UTC(2027, 0, 1));
    const behind = manualClock(Date.UTC(2026, 0, 1));
    let newest = newId(seededRandom(2), ahead);
    for (let i = 0; i < 100; i++) {
      const next = jobIdAfter(newest, random, behind);
      assert.ok(isId(next) && next > newest, `${next} after ${newest}`);
      newest = next;
    }
  });

  it("105 is another for two jobs of one millisecond, of one pipeline or two", () => {
    const [random, clock] = [seededRandom(3), manualClock()];
    const first = jobIdAfter(undefined, random, clock);
    assert.notEqual(jobIdAfter(undefined, random, clock), first);
    assert.ok(jobIdAfter(first, random, clock) > first);
  });

  it("is a plain new id otherwise", () => {
    const clock = manualClock();
    assert.ok(isId(jobIdAfter(undefined, seededRandom(1), clock)));
  });
});
