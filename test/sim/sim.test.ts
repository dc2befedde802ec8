// The ledger under every fault that the simulation knows, in histories with fresh seeds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom } from "@sheaf/runtime";
import { campaign } from "./campaign.ts";
import { replayOf } from "./replay.ts";
import { runSeed } from "./run-seed.ts";

const SEEDS = 2_000;

test("a history is a function of its seed: twice the same", async () => {
  const from = systemRandom.int(2 ** 31);
  for (let seed = from; seed < from + 10; seed++) {
    const [once, again, told] = [await runSeed(seed), await runSeed(seed), await runSeed(seed, true)];
    assert.equal(again.hash, once.hash, `seed ${seed}`);
    assert.equal(told.hash, once.hash, `seed ${seed}, told`);
  }
});

test(`${SEEDS} histories keep every invariant, and finish when the world is healed`, { timeout: 600_000 }, async () => {
  const from = systemRandom.int(2 ** 31);
  const { broken, ends } = await campaign(from, SEEDS);
  const told: string[] = [];
  for (const result of broken) told.push(await replayOf(result));
  assert.ok(broken.length === 0, `from seed ${from}:\n${told.join("\n\n")}`);
  // A simulation in which nothing succeeds, fails or is stopped proves nothing.
  for (const end of ["SUCCEEDED", "FAILED", "STOPPED", "INCONSISTENT"])
    assert.ok((ends[end] ?? 0) > 0, `no job ${end}`);
});
