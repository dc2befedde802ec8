import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FAULTS } from "./faults/catalogue.ts";
import { LANES, planFaults } from "./plan.ts";

const options = { ms: 600_000, kinds: FAULTS, pauseMs: [500, 3_000] } as const;

test("a plan is a function of its seed", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      assert.deepEqual(planFaults({ seed, ...options }), planFaults({ seed, ...options }));
      assert.notDeepEqual(planFaults({ seed, ...options }), planFaults({ seed: seed + 1, ...options }));
    }),
    { numRuns: 20 },
  );
});

test("faults end in time, those of one lane one after another, and every kind comes", () => {
  const laneOf = new Map(FAULTS.map(({ kind, lane }) => [kind, lane]));
  const seen = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const plan = planFaults({ seed, ...options });
    for (const lane of LANES) {
      const here = plan.filter(({ kind }) => laneOf.get(kind) === lane);
      here.reduce((free, { atMs, ms }) => {
        assert.ok(atMs >= free + 500, `${lane} at ${atMs}, the one before ended at ${free}`);
        return atMs + ms;
      }, 0);
      assert.ok(here.every(({ atMs, ms }) => atMs + ms <= options.ms));
    }
    for (const { kind } of plan) seen.add(kind);
  }
  assert.deepEqual([...seen].sort(), FAULTS.map(({ kind }) => kind).sort());
});
