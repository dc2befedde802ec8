import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IntervalSet } from "./interval-set.ts";

const N = 40;
const interval = fc.tuple(fc.nat(N), fc.nat(N)).map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
const step = fc.record({ add: fc.boolean(), at: interval });

function build(steps: { add: boolean; at: { start: number; end: number } }[]) {
  const set = IntervalSet.empty();
  const model = new Set<number>();
  for (const { add, at } of steps) {
    if (add) set.add(at.start, at.end);
    else set.remove(at.start, at.end);
    for (let i = at.start; i < at.end; i++) add ? model.add(i) : model.delete(i);
  }
  return { set, model };
}

test("IntervalSet holds what a plain set holds, as few, sorted, untouching intervals", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { set, model } = build(steps);
      const held = set.intervals.flatMap((part) =>
        Array.from({ length: part.end - part.start }, (_, i) => part.start + i),
      );
      assert.deepEqual(
        held,
        [...model].sort((a, b) => a - b),
      );
      assert.equal(set.size, model.size);
      set.intervals.forEach((part, i) => {
        assert.ok(part.start < part.end);
        assert.ok(part.start > (set.intervals[i - 1]?.end ?? -1));
      });
    }),
  );
});

test("IntervalSet overlaps(), contains() and hullOutside() agree with a plain set", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), interval, (steps, at) => {
      const { set, model } = build(steps);
      const inside = Array.from({ length: at.end - at.start }, (_, i) => at.start + i);
      assert.equal(
        set.overlaps(at.start, at.end),
        inside.some((i) => model.has(i)),
      );
      assert.equal(
        set.contains(at.start, at.end),
        inside.every((i) => model.has(i)),
      );
      const outside = inside.filter((i) => !model.has(i));
      const first = outside[0];
      const last = outside.at(-1);
      const hull = first === undefined || last === undefined ? null : { start: first, end: last + 1 };
      assert.deepEqual(set.hullOutside(at.start, at.end), hull);
    }),
  );
});
