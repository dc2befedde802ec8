import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Ask, share } from "./share.ts";

const ask = (pipeline: string, oldest: string, need: number, keep = 0): Ask => ({ pipeline, oldest, need, keep });
const shared = (asks: readonly Ask[], limit: number) => Object.fromEntries(share(asks, limit));

describe("share()", () => {
  const rows: readonly [string, readonly Ask[], number, Record<string, number>][] = [
    ["there is enough", [ask("a", "j1", 3), ask("b", "j2", 5)], 100, { a: 3, b: 5 }],
    ["S3: equal parts", [ask("a", "j1", 50), ask("b", "j2", 50)], 10, { a: 5, b: 5 }],
    ["S3: the odd one to whoever came first", [ask("b", "j2", 50), ask("a", "j1", 50)], 11, { a: 6, b: 5 }],
    [
      "S3: what one does not need the others get",
      [ask("a", "j1", 2), ask("b", "j2", 50), ask("c", "j3", 50)],
      10,
      { a: 2, b: 4, c: 4 },
    ],
    [
      "S2: one for each before a second for any",
      [ask("a", "j1", 9), ask("b", "j2", 1), ask("c", "j3", 1)],
      3,
      { a: 1, b: 1, c: 1 },
    ],
    [
      "S2: who has waited longest comes first",
      [ask("a", "j3", 9), ask("b", "j1", 9), ask("c", "j2", 9)],
      2,
      { a: 0, b: 1, c: 1 },
    ],
    ["S4: work comes before idleness", [ask("a", "", 0, 8), ask("b", "j1", 4, 4)], 6, { a: 1, b: 5 }],
    ["S4: the idle go where work needs their place", [ask("a", "", 0, 8), ask("b", "j1", 6)], 6, { a: 0, b: 6 }],
    ["nobody asks", [], 6, {}],
  ];
  for (const [name, asks, limit, expected] of rows) it(name, () => assert.deepEqual(shared(asks, limit), expected));

  it("keeps S1 to S3, and wastes nothing, whatever is asked", () => {
    const any = fc.record({
      pipeline: fc.uuid(),
      oldest: fc.constantFrom("", "j1", "j2", "j3"),
      need: fc.nat(20),
      keep: fc.nat(20),
    });
    const asks = fc.uniqueArray(any, { selector: ({ pipeline }) => pipeline, maxLength: 12 });
    fc.assert(
      fc.property(asks, fc.nat(60), (some, limit) => {
        const shares = share(some, limit);
        const of = ({ pipeline }: Ask) => shares.get(pipeline) ?? -1;
        const given = some.reduce((sum, each) => sum + of(each), 0);
        const asked = some.reduce((sum, { need, keep }) => sum + need + keep, 0);
        assert.equal(given, Math.min(asked, limit), "S1, and nothing is wasted");
        for (const each of some) assert.ok(of(each) >= 0 && of(each) <= each.need + each.keep, "S1");
        const working = some.filter(({ need }) => need > 0);
        if (working.some((each) => of(each) > 1))
          assert.ok(
            working.every((each) => of(each) >= 1),
            "S2",
          );
        for (const one of working) {
          for (const other of working) {
            // Who has less than it needs has no less than any other, but for the odd one.
            if (of(one) < one.need) assert.ok(of(one) >= Math.min(of(other), other.need) - 1, "S3");
          }
        }
      }),
    );
  });
});
