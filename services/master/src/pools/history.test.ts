import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom, systemRandom } from "@sheaf/runtime";
import { IDLE_MS } from "./decide.ts";
import { History, type PipelineSpec, SETTLE_MS } from "./history.test-kit.ts";

const SEEDS = 200;

/** Pipelines, what they get to do, and workers that die, all by a seed. */
function randomHistory(seed: number): void {
  const random = seededRandom(seed);
  const specs = Array.from({ length: 1 + random.int(6) }, (_, i): PipelineSpec => {
    return { name: `p${i}`, limit: 1 + random.int(8), autoscaling: random.int(4) > 0 };
  });
  const processesMax = random.int(2) === 0 ? 1_000 : 1 + random.int(10);
  const history = new History(random, specs, processesMax);
  for (let i = 0; i < 40; i++) {
    const name = `p${random.int(specs.length)}`;
    const slow = random.int(5) === 0 ? 20_000 : 3_000;
    const datums = Array.from({ length: random.int(20) }, () => 100 + random.int(slow));
    if (random.int(3) > 0) history.commit(name, datums);
    if (random.int(10) === 0) history.kill();
    history.run(random.int(6_000));
  }
  for (let i = 0; i < 400 && !history.isQuiet; i++) history.run(10_000);
  assert.ok(history.isQuiet, "what was to do is done");
  // When there is room for one worker each, nobody waits without one for longer than it takes until a place is free: the first goes to
  // who came first, and each is free when its worker has finished a datum, of at most 20 s.
  if (processesMax >= specs.length)
    assert.ok(history.strandedMs <= 45_000, `${history.strandedMs} ms without a worker`);
  if (processesMax === 1_000) assert.ok(history.strandedMs <= 2_000, `${history.strandedMs} ms without a worker`);
  history.run(4 * SETTLE_MS);
  const asked = specs.reduce((sum, { limit, autoscaling }) => sum + (autoscaling ? 0 : limit), 0);
  const there = specs.reduce((sum, { name }) => sum + history.workers(name), 0);
  assert.equal(there, Math.min(asked, processesMax), "in the end those that stay are there, and no other");
  for (const { name, autoscaling } of specs)
    if (autoscaling) assert.equal(history.workers(name), 0, `${name} is at zero`);
}

describe("scaling, in virtual time", () => {
  it(`keeps its promises in ${SEEDS} random histories`, () => {
    const first = Number(process.env["SHEAF_SCALING_SEED"] ?? systemRandom.int(1_000_000_000));
    for (let seed = first; seed < first + SEEDS; seed++) {
      try {
        randomHistory(seed);
      } catch (error) {
        throw new Error(`SHEAF_SCALING_SEED=${seed} fails`, { cause: error });
      }
    }
  });

  const one = (limit: number): PipelineSpec => ({ name: "p", limit, autoscaling: true });

  it("goes from nothing to one to the limit, and back to nothing, without a detour", () => {
    const history = new History(seededRandom(1), [one(4)], 1_000);
    history.run(5_000);
    history.commit("p", Array(8).fill(3_000));
    history.run(30_000);
    assert.ok(history.isQuiet);
    const [first, ...down] = history.wanted.get("p")?.slice(2) ?? [];
    assert.deepEqual(history.wanted.get("p")?.slice(0, 3), [0, 1, 4]);
    assert.deepEqual([first, ...down], [4, ...down.toSorted((a, b) => b - a)], "slowly, and never up again");
    assert.equal(down.at(-1), 0);
  });

  it("changes nothing under a steady load, whatever the datums take", () => {
    for (const [seed, most] of [
      [1, 200],
      [2, 1_000],
      [3, 9_000],
    ] as const) {
      const random = seededRandom(seed);
      const more = () => Array.from({ length: 20 }, () => 100 + random.int(most));
      const history = new History(random, [one(6)], 1_000);
      history.run(1_000);
      history.commit("p", more());
      for (let i = 0; i < 3_000; i++) {
        if (history.waiting("p") < 12) history.refill("p", more());
        history.run(100);
      }
      assert.deepEqual(history.wanted.get("p"), [0, 1, 6], `datums of at most ${most} ms`);
    }
  });

  it("changes nothing under jobs that come more often than a worker waits for", () => {
    const history = new History(seededRandom(7), [one(4)], 1_000);
    history.commit("p", Array(8).fill(500));
    history.run(8_000);
    const before = [...(history.wanted.get("p") ?? [])];
    for (let i = 0; i < 60; i++) {
      history.commit("p", Array(8).fill(300));
      history.run(IDLE_MS - 1_000);
    }
    const after = history.wanted.get("p")?.slice(before.length) ?? [];
    assert.deepEqual(after.slice(after.indexOf(4)), [4], "four stay, once they are there");
  });

  it("has idle workers go while a straggler runs, and starts others for the next job", () => {
    const history = new History(seededRandom(3), [one(4)], 1_000);
    history.commit("p", [60_000, ...Array(7).fill(500)]);
    history.run(10_000 + IDLE_MS);
    assert.equal(history.workers("p"), 1);
    history.commit("p", Array(8).fill(2_000));
    history.run(3_000);
    assert.equal(history.workers("p"), 4);
  });

  it("shares the cluster in equal parts, and gives back what one does not need", () => {
    const specs = ["a", "b", "c"].map((name) => ({ name, limit: 10, autoscaling: true }));
    const history = new History(seededRandom(4), specs, 9);
    history.commit("a", Array(500).fill(1_000));
    history.run(10_000);
    assert.equal(history.workers("a"), 9);
    history.commit("b", Array(500).fill(1_000));
    history.commit("c", Array(2).fill(30_000));
    history.run(10_000);
    assert.deepEqual(
      specs.map(({ name }) => history.workers(name)),
      [4, 3, 2],
    );
    history.run(40_000 + IDLE_MS);
    assert.deepEqual([history.workers("a") + history.workers("b"), history.workers("c")], [9, 0]);
  });

  it("lets nobody starve where there are more pipelines than workers", () => {
    const specs = ["a", "b", "c"].map((name) => ({ name, limit: 4, autoscaling: true }));
    const history = new History(seededRandom(5), specs, 1);
    const order: string[] = [];
    for (let i = 0; i < 12; i++) for (const name of history.names) history.commit(name, [1_000]);
    for (let i = 0; i < 2_000 && !history.isQuiet; i++) {
      history.run(100);
      for (const name of history.names) if (history.workers(name) > 0 && order.at(-1) !== name) order.push(name);
    }
    assert.ok(history.isQuiet);
    assert.deepEqual(order.slice(0, 6), ["a", "b", "c", "a", "b", "c"]);
  });
});
