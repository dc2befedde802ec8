import assert from "node:assert/strict";
import { test } from "node:test";
import { isId, newId } from "./id.ts";
import { manualClock } from "./manual-clock.ts";
import { type Random, seededRandom, systemRandom } from "./random.ts";

test("seededRandom() gives the same sequence for the same seed and another for another", () => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return [random.float(), random.int(1_000), ...random.bytes(8)];
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

test("int() and float() stay in their ranges and reach all of a small one", () => {
  for (const random of [seededRandom(1), systemRandom]) {
    const seen = new Set(Array.from({ length: 1_000 }, () => random.int(6)));
    assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5]);
    const floats = Array.from({ length: 1_000 }, () => random.float());
    assert.ok(floats.every((x) => x >= 0 && x < 1));
    assert.ok(Math.abs(floats.reduce((a, b) => a + b) / 1_000 - 0.5) < 0.1);
  }
});

test("the machine's randomness fills as many bytes as are asked for, and draws from all of 32 bits", () => {
  for (const n of [0, 1, 65_536, 150_000]) {
    const bytes = systemRandom.bytes(n);
    assert.equal(bytes.length, n);
    // All of 64 bytes being 0 has a chance of 2^-512.
    if (n > 64) assert.ok(bytes.subarray(-64).some((byte) => byte !== 0));
  }
  const drawn = Array.from({ length: 1_000 }, () => systemRandom.int(2 ** 32));
  assert.ok(drawn.some((value) => value > 2 ** 31) && drawn.some((value) => value < 2 ** 31));
  // Without throwing away what is over, a third of the numbers would come twice as often as the others.
  const below = 3 * 2 ** 30;
  const low = Array.from({ length: 10_000 }, () => systemRandom.int(below)).filter((value) => value < 2 ** 30).length;
  assert.ok(Math.abs(low / 10_000 - 1 / 3) < 0.05, `${low}`);
});

test("newId() of one source sorts by creation, within a millisecond and when the wall clock goes back", async () => {
  const clock = manualClock();
  const random = seededRandom(3);
  const ids: string[] = [];
  for (let i = 0; i < 200; i++) {
    ids.push(newId(random, clock));
    if (i === 100) clock.jumpWall(-5_000);
    if (i % 7 === 0) await clock.advance(1);
  }
  assert.deepEqual(ids, ids.toSorted());
  assert.equal(new Set(ids).size, ids.length);
});

test("newId() is 26 lower-case characters that are safe in file names, keys and DNS labels", () => {
  for (let i = 0; i < 100; i++) assert.match(newId(systemRandom), /^[0-9a-z]{26}$/);
  assert.ok(isId(newId(systemRandom)));
  for (const wrong of [
    "",
    "abc",
    "01m82xh4fqbbdk7tpatt4p0rr",
    "01M82XH4FQBBDK7TPATT4P0RRV",
    "01m82xh4fqbbdk7tpatt4p0rru",
  ]) {
    assert.equal(isId(wrong), false, wrong);
  }
});

test("newId() of different sources in the same millisecond differ", () => {
  const clock = manualClock();
  const ids = Array.from({ length: 1_000 }, (_, seed) => newId(seededRandom(seed), clock));
  assert.equal(new Set(ids).size, 1_000);
});

test("newId() moves to the next millisecond when the random part is used up", () => {
  const clock = manualClock();
  const highest: Random = { ...seededRandom(1), bytes: (n) => new Uint8Array(n).fill(0xff) };
  const first = newId(highest, clock);
  const second = newId(highest, clock);
  assert.ok(second > first);
  assert.match(second, /0{16}$/);
});
