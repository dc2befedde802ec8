// Backups of stragglers (L7), from both sides: the worker that runs one, and the worker that loses its datum to one.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { getMessage, objectOf, putMessage } from "@sheaf/files";
import { api, dispatch, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import type { FakeLedger } from "./testing/fake-owner.ts";
import { JOB, outcomesOf, type SpecInit, specOf, workOf } from "./testing/job-kit.ts";
import { type Bench, openBench, processesOf } from "./testing/worker-kit.ts";

const sh = (script: string) => ({ cmd: ["sh", "-c", script] });
const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`/f${i}`, "x".repeat(i)]));
const { RACE_LOST, RESTARTED, STOPPED } = dispatch.CancelReason;

async function ledgerOf(bench: Bench, spec: SpecInit, count: number): Promise<FakeLedger> {
  const { input, n } = await bench.plan(spec, many(count));
  return { job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: n, input };
}

/** Until a beat lists the claim so. */
function beats(bench: Bench, test: (position: dispatch.HeldPosition) => boolean): Promise<void> {
  return bench.owner.until(() => bench.owner.heardOf("beat").at(-1)?.claims.some(test) === true);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await systemClock.sleep(10);
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => name);
}

/** Nothing is left of a race: neither in the worker's words, nor on its disk, nor among the processes. */
async function isGone(bench: Bench, mark: string): Promise<void> {
  await until(() => processesOf(mark).length === 0);
  await until(() => filesIn(join(bench.dir, "scratch/worker-1/datums")).length === 0);
  const heard = bench.owner.heardOf("beat").length;
  await bench.owner.until(() => bench.owner.heardOf("beat").length > heard + 2);
  assert.deepEqual(bench.owner.heardOf("beat").at(-1)?.claims, []);
  assert.equal(bench.owner.heardOf("want").at(-1)?.claims, 2);
  assert.equal(bench.owner.heardOf("commit").length, 1, "only the plan's");
  assert.equal(bench.owner.heardOf("released").length, 0);
  assert.equal(bench.owner.heardOf("tryFailed").length, 0);
}

describe("a worker that races", () => {
  it("runs one index, and commits it under the claim and the fence of another", async () => {
    await using bench = await openBench();
    const hold = join(bench.dir, "hold");
    const script = `while [ ! -e ${hold} ]; do sleep 0.02; done; wc -c <"$SHEAF_INPUT" >"$SHEAF_OUT/n"`;
    const ledger = await ledgerOf(bench, specOf(sh(script)), 8);
    await bench.owner.until(() => bench.owner.heardOf("want").at(-1)?.claims === 2);
    bench.owner.fence = 99n;
    const prior = create(dispatch.PriorTriesSchema, { index: 5n, tries: 1, losses: 2 });
    bench.owner.race("other", 5, ledger, prior);
    await beats(bench, ({ claim, running }) => claim === "other" && running.length > 0);
    const [position] = bench.owner.heardOf("beat").at(-1)?.claims ?? [];
    assert.deepEqual([position?.next, position?.finished, position?.running[0]?.index], [6n, 0n, 5n]);
    writeFileSync(hold, "");
    await bench.owner.until(() => bench.owner.taken.some(({ claim }) => claim === "other"));
    const taken = bench.owner.taken.filter(({ claim }) => claim === "other");
    assert.deepEqual(
      taken.map(({ from, to }) => [from, to]),
      [[5, 6]],
    );
    const [outcome] = await outcomesOf(bench.store, taken);
    assert.equal(outcome?.files.get("/n"), "5\n");
    assert.deepEqual([outcome?.row.index, outcome?.row.tries, outcome?.row.losses], [5n, 2, 2]);
    await bench.owner.until(() => bench.owner.heardOf("beat").at(-1)?.claims.length === 0);
  });

  it("runs two of one claim at a time", async () => {
    await using bench = await openBench({ slots: 2 });
    const ledger = await ledgerOf(bench, specOf(sh('wc -c <"$SHEAF_INPUT" >"$SHEAF_OUT/n"')), 8);
    bench.owner.race("other", 2, ledger);
    bench.owner.race("other", 6, ledger);
    const committed = () =>
      bench.owner.taken.filter(({ claim }) => claim === "other").map(({ from, to }) => `${from}-${to}`);
    await bench.owner.until(() => committed().length === 2);
    assert.deepEqual(committed().sort(), ["2-3", "6-7"]);
  });

  it("ends with a cancel, with its session, and with nothing left", async () => {
    for (const end of ["cancel", "cancel index", "session"] as const) {
      await using bench = await openBench();
      const mark = `41${["cancel", "cancel index", "session"].indexOf(end)}.${process.pid}`;
      const ledger = await ledgerOf(bench, specOf(sh(`echo x >"$SHEAF_OUT/x"; sleep ${mark}`)), 4);
      bench.owner.race("other", 1, ledger);
      await beats(bench, ({ running }) => running.length > 0);
      await until(() => processesOf(mark).length > 0);
      if (end === "cancel") bench.owner.cancel("other", STOPPED);
      else if (end === "cancel index") bench.owner.cancel("other", RACE_LOST, 1);
      else bench.owner.hangUp();
      await isGone(bench, mark);
      assert.deepEqual(bench.owner.heardOf("hello").at(-1)?.holds, [], "it is shown in no hello");
    }
  });

  it("ends with its first failure, of which it tells nobody", async () => {
    await using bench = await openBench();
    const seen = join(bench.dir, "seen");
    const ledger = await ledgerOf(bench, specOf(sh(`echo x >>${seen}; exit 3`), { datumTries: 3 }), 4);
    const wants = bench.owner.heardOf("want").length;
    bench.owner.race("other", 1, ledger);
    await until(() => existsSync(seen));
    await bench.owner.until(() =>
      bench.owner
        .heardOf("want")
        .slice(wants)
        .some(({ claims }) => claims === 2),
    );
    await isGone(bench, "no such process");
    assert.equal(readFileSync(seen, "utf8"), "x\n");
  });

  it("ends with a refusal, and goes on with its own", async () => {
    await using bench = await openBench();
    const ledger = await ledgerOf(bench, specOf(sh('echo 1 >"$SHEAF_OUT/n"')), 4);
    bench.owner.onCommit = ({ claim, from, to }) => {
      if (claim !== "other") return undefined;
      const code = dispatch.RefusedCode.TRY_AGAIN;
      const still = { stillFrom: 0n, stillTo: 4n };
      return { case: "refused", value: create(dispatch.RefusedSchema, { claim, from, to, code, ...still }) };
    };
    bench.owner.race("other", 1, ledger);
    await bench.owner.until(() => bench.owner.heardOf("commit").some(({ claim }) => claim === "other"));
    bench.owner.give(ledger);
    await bench.owner.complete();
    assert.equal(bench.owner.heardOf("commit").filter(({ claim }) => claim === "other").length, 1);
  });

  it("races shards of a merge alike", async () => {
    await using bench = await openBench();
    const spec = specOf(sh('n=$(basename "$SHEAF_INPUT"); echo $n >"$SHEAF_OUT/$n"'));
    await bench.run(spec, many(6), 6);
    const runs = bench.owner.taken.map(({ from, to, result }) => ({
      from: BigInt(from),
      to: BigInt(to),
      table: result,
    }));
    const runList = create(store.RunListSchema, { version: 1, runs });
    const cuts = create(store.CutsSchema, { version: 1, points: [{ path: "/f3" }] });
    const merge = {
      runs: await putMessage(bench.store, "runlists", store.RunListSchema, runList),
      cuts: await putMessage(bench.store, "cuts", store.CutsSchema, cuts),
    };
    const input = await workOf(bench.store, spec, { merge });
    const ledger = { job: JOB, kind: store.WorkKind.MERGE, n: 2, claimSize: 2, input };
    bench.owner.give({ ...ledger, n: 0 });
    bench.owner.race("other", 1, ledger);
    await bench.owner.until(() => bench.owner.taken.some(({ claim }) => claim === "other"));
    const [taken] = bench.owner.taken.filter(({ claim }) => claim === "other");
    assert.deepEqual([taken?.from, taken?.to], [1, 2]);
    assert.ok((taken?.totals.medianMs ?? 0n) >= 1n);
    const { shards } = await getMessage(
      bench.store,
      store.MergeResultSchema,
      objectOf(taken?.result as store.TableRef),
    );
    assert.equal(shards[0]?.index?.files, 3n);
  });
});

describe("a worker that is raced", () => {
  /** All indexes but the hole are committed, each once, with what they left. */
  async function assertAround(bench: Bench, n: number, hole: number): Promise<void> {
    const outcomes = await outcomesOf(bench.store, bench.owner.taken);
    const indexes = Array.from({ length: n }, (_, i) => i).filter((i) => i !== hole);
    assert.deepEqual(
      outcomes.map(({ row, files }) => [Number(row.index), files.get("/s")]),
      indexes.map((i) => [i, `k\t${i}\n`]),
    );
  }

  const SUM = { merge: { strategy: api.MergeStrategy.SUM } as api.MergeSpec };
  const COUNT = 'printf "k\\t%d\\n" $(wc -c <"$SHEAF_INPUT") >"$SHEAF_OUT/s"';

  it("loses the datum that runs, with all its processes, and commits around it", async () => {
    for (const [slots, hole] of [
      [1, 0],
      [1, 7],
      [2, 3],
      [3, 0],
    ] as const) {
      await using bench = await openBench({ slots });
      bench.owner.cutIntervalMs = 50;
      bench.owner.hangUp();
      const mark = `42${slots}${hole}.${process.pid}`;
      const script = `case $SHEAF_INPUT in */f${hole}) (sleep ${mark} & sleep ${mark});; esac; ${COUNT}`;
      const ledger = await ledgerOf(bench, specOf(sh(script), SUM), 8);
      bench.owner.give(ledger);
      await beats(bench, ({ running }) => running.some(({ index }) => index === BigInt(hole)));
      await until(() => processesOf(mark).length > 0);
      const [claim] = [...bench.owner.claims.keys()] as [string];
      bench.owner.markDone(hole);
      bench.owner.cancel(claim, RACE_LOST, hole);
      await bench.owner.complete();
      await until(() => processesOf(mark).length === 0);
      await assertAround(bench, 8, hole);
    }
  });

  it("loses one that is finished and uncut", async () => {
    await using bench = await openBench();
    bench.owner.cutIntervalMs = 600_000;
    bench.owner.hangUp();
    const hold = join(bench.dir, "hold");
    const script = `case $SHEAF_INPUT in */f6) while [ ! -e ${hold} ]; do sleep 0.02; done;; esac; ${COUNT}`;
    bench.owner.give(await ledgerOf(bench, specOf(sh(script), SUM), 8));
    await beats(bench, ({ finished }) => finished === 6n);
    const [claim] = [...bench.owner.claims.keys()] as [string];
    bench.owner.markDone(2);
    bench.owner.cancel(claim, RACE_LOST, 2);
    await bench.owner.until(() => bench.owner.taken.some(({ from, to }) => from === 0 && to === 2));
    writeFileSync(hold, "");
    await bench.owner.complete();
    await assertAround(bench, 8, 2);
  });

  it("loses one that is in a commit under way, whether the cancel or the refusal comes first", async () => {
    for (const first of ["cancel", "refusal"] as const) {
      await using bench = await openBench();
      const ledger = await ledgerOf(bench, specOf(sh(COUNT), SUM), 8);
      let asked = false;
      bench.owner.onCommit = (commit, owner) => {
        if (asked) return undefined;
        asked = true;
        owner.markDone(4);
        if (first === "cancel") owner.cancel(commit.claim, RACE_LOST, 4);
        else setTimeout(() => owner.cancel(commit.claim, RACE_LOST, 4), 1);
        return undefined;
      };
      bench.owner.give(ledger);
      await bench.owner.complete();
      await assertAround(bench, 8, 4);
    }
  });

  it("begins a datum anew when a user wants that, of a race as well, and spends no try", async () => {
    await using bench = await openBench();
    const seen = join(bench.dir, "seen");
    const script = `echo x >>${seen}; [ $(wc -l <${seen}) -gt 1 ] || sleep 500; ${COUNT}`;
    const ledger = await ledgerOf(bench, specOf(sh(script), { datumTries: 1, ...SUM }), 2);
    bench.owner.race("other", 1, ledger);
    // A command that is killed between making the file and writing to it would sleep once more.
    await until(() => existsSync(seen) && readFileSync(seen, "utf8") === "x\n");
    bench.owner.cancel("other", RESTARTED, 1);
    await bench.owner.until(() => bench.owner.taken.some(({ claim }) => claim === "other"));
    const [outcome] = await outcomesOf(
      bench.store,
      bench.owner.taken.filter(({ claim }) => claim === "other"),
    );
    assert.equal(outcome?.row.tries, 1);
    assert.equal(readFileSync(seen, "utf8"), "x\nx\n");
  });
});
