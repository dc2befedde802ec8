// Tries that go on from worker to worker (L9), what runs now, and how long an index takes.

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { getMessage, objectOf } from "@sheaf/files";
import { api, dispatch, store } from "@sheaf/proto";
import { JOB, outcomesOf, specOf } from "./testing/job-kit.ts";
import { openBench, PLACES } from "./testing/worker-kit.ts";

const sh = (script: string) => ({ cmd: ["sh", "-c", script] });
const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`/f${i}`, "x".repeat(i)]));
const { SUCCESS, FAILED } = api.DatumState;

function prior(
  index: number,
  more: { readonly tries?: number; readonly losses?: number; readonly quarantined?: boolean },
): dispatch.PriorTries {
  return create(dispatch.PriorTriesSchema, { index: BigInt(index), ...more });
}

for (const { where, pod } of PLACES) {
  describe(`a worker, of datums that were tried before, with commands ${where}`, () => {
    it("counts on, and does not run what is quarantined", async () => {
      await using bench = await openBench({ pod });
      const ran = join(bench.dir, "ran");
      const script = `echo "\${SHEAF_INPUT##*/}" >>${ran}; echo ran; case $SHEAF_INPUT in */f[12]) exit 3;; esac`;
      bench.owner.prior = [
        prior(1, { tries: 2, losses: 1 }),
        prior(2, { tries: 1 }),
        prior(3, { tries: 1, losses: 3, quarantined: true }),
        prior(4, { tries: 1, losses: 2 }),
      ];
      const outcomes = await bench.run(specOf(sh(script), { datumTries: 3 }), many(6), 6);
      assert.deepEqual(
        outcomes.map(({ row }) => [row.state, row.tries, row.losses, row.reason]),
        [
          [SUCCESS, 1, 0, ""],
          [FAILED, 3, 1, "EXIT_3"],
          [FAILED, 3, 0, "EXIT_3"],
          [FAILED, 1, 3, "QUARANTINED"],
          [SUCCESS, 2, 2, ""],
          [SUCCESS, 1, 0, ""],
        ],
      );
      const quarantined = outcomes[3];
      assert.equal(
        quarantined?.row.message,
        "3 workers, one after another, were lost while they ran this and nothing else; it is not run again",
      );
      assert.equal(quarantined?.row.started, undefined);
      assert.deepEqual(quarantined?.log, []);
      assert.deepEqual(
        outcomes[2]?.log.map(({ attempt }) => attempt),
        [2, 3],
      );
      assert.deepEqual(
        bench.owner.heardOf("tryFailed").map(({ index, tries }) => [index, tries]),
        [[2n, 2]],
      );
      const failed = bench.owner.taken.reduce((sum, { totals }) => sum + totals.failed, 0n);
      assert.equal(failed, 3n);
    });

    it("does not plan what is quarantined", async () => {
      await using bench = await openBench({ pod });
      bench.owner.prior = [prior(0, { losses: 4, quarantined: true })];
      await bench.plan(specOf(sh("true")), many(2));
      const [{ totals, result }] = bench.owner.taken as [(typeof bench.owner.taken)[0]];
      assert.equal(totals.failed, 1n);
      assert.match(totals.firstFailedMessage, /^4 workers, .* not run again$/);
      assert.equal((await getMessage(bench.store, store.PlanManifestSchema, objectOf(result))).datums, 0n);
    });

    it("tells a failed try before its claim leaves, and again to the next session", async () => {
      await using bench = await openBench({ pod });
      const [seen, hold] = [join(bench.dir, "seen"), join(bench.dir, "hold")];
      const script = `if [ -e ${seen} ]; then while [ ! -e ${hold} ]; do sleep 0.02; done; else touch ${seen}; exit 1; fi`;
      const { input, n } = await bench.plan(specOf(sh(script)), many(4));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: n, input });
      await bench.owner.until(() => bench.owner.heardOf("tryFailed").length === 1);
      const hellos = bench.owner.heardOf("hello").length;
      bench.owner.hangUp();
      await bench.owner.until(() => bench.owner.heardOf("tryFailed").length === 2);
      assert.equal(bench.owner.heardOf("hello").length, hellos + 1);
      const [claim] = [...bench.owner.claims.keys()] as [string];
      bench.owner.release(claim, 0);
      await bench.owner.until(() => bench.owner.heardOf("released").length === 1);
      assert.equal(bench.owner.heardOf("released")[0]?.from, 2n, "the one that runs meanwhile is kept as well");
      const words = bench.owner.heard.map(({ case: word }) => word);
      assert.ok(words.lastIndexOf("tryFailed") < words.indexOf("released"));
      assert.deepEqual(
        bench.owner.heardOf("tryFailed").map(({ index, tries }) => [index, tries]),
        [
          [0n, 1],
          [0n, 1],
        ],
      );
      writeFileSync(hold, "");
      await bench.owner.complete();
      // What has its outcome is told no more.
      bench.owner.hangUp();
      await bench.owner.until(() => bench.owner.heardOf("hello").length === hellos + 2);
      await bench.owner.until(
        () => bench.owner.heardOf("beat").length > 0 && bench.owner.heard.at(-1)?.case === "beat",
      );
      assert.equal(bench.owner.heardOf("tryFailed").length, 2);
      const outcomes = await outcomesOf(bench.store, bench.owner.taken);
      assert.equal(outcomes[0]?.row.tries, 2);
    });
  });
}

for (const { where, pod } of PLACES) {
  describe(`a worker, of what runs, with commands ${where}`, () => {
    it("tells in each beat what runs in its slots and for how long, and nothing that has ended", async () => {
      await using bench = await openBench({ pod, slots: 2 });
      const hold = join(bench.dir, "hold");
      const script = `case $SHEAF_INPUT in */f[03]) while [ ! -e ${hold} ]; do sleep 0.02; done;; esac`;
      const { input, n } = await bench.plan(specOf(sh(script)), many(8));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: n, input });
      const runningOf = () => bench.owner.heardOf("beat").map(({ claims }) => claims[0]?.running ?? []);
      const isStuck = (running: dispatch.RunningIndex[]) =>
        running
          .map(({ index }) => index)
          .sort()
          .join() === "0,3" && running.every(({ runningMs }) => runningMs >= 300n);
      await bench.owner.until(() => isStuck(runningOf().at(-1) ?? []));
      await bench.owner.until(() => (runningOf().at(-1) ?? []).every(({ runningMs }) => runningMs >= 1_000n));
      for (const running of runningOf()) assert.ok(running.length <= 2);
      // Each beat is fresh: the time between them is in it, give or take the engine's own beat.
      const times = runningOf()
        .filter(isStuck)
        .map((running) => Number(running.find(({ index }) => index === 0n)?.runningMs));
      for (const [i, ms] of times.slice(1).entries()) assert.ok(ms > (times[i] as number), `${times}`);
      writeFileSync(hold, "");
      await bench.owner.complete();
      const beats = bench.owner.heardOf("beat").length;
      await bench.owner.until(() => bench.owner.heardOf("beat").length > beats + 2);
      assert.deepEqual(bench.owner.heardOf("beat").at(-1)?.claims, []);
    });

    it("tells how far a command says that it is, as long as it runs, and keeps nothing of it", async () => {
      await using bench = await openBench({ pod });
      const hold = join(bench.dir, "hold");
      const script = `echo 0.4 >> $SHEAF_PROGRESS; while [ ! -e ${hold} ]; do sleep 0.02; done; ls $SHEAF_OUT > $SHEAF_OUT/list`;
      const { input, n } = await bench.plan(specOf(sh(script)), many(1));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: n, input });
      const told = () => bench.owner.heardOf("beat").map(({ claims }) => claims[0]?.running[0]?.progress);
      await bench.owner.until(() => told().at(-1) === "40 %");
      writeFileSync(hold, "");
      await bench.owner.complete();
      const [outcome] = await outcomesOf(bench.store, bench.owner.taken);
      assert.deepEqual([...(outcome?.files ?? [])], [["/list", "list\n"]]);
      // The folder is not used again with it in it.
      const [next] = await bench.run(specOf(sh("ls .")), many(1));
      assert.deepEqual(
        next?.log.map(({ text }) => Buffer.from(text).toString()),
        ["pfs"],
      );
    });

    it("tells the median time of an index, of every kind of work", async () => {
      await using bench = await openBench({ pod });
      const script = "case $SHEAF_INPUT in */f[0-4]) exit 0;; */f5) sleep 0.4;; *) sleep 0.1;; esac";
      await bench.plan(specOf(sh(script)), many(9));
      assert.ok((bench.owner.taken[0]?.totals.medianMs ?? 0n) >= 1n, "the plan's");
      await bench.run(specOf(sh(script)), many(9), 5);
      const [first, second] = bench.owner.taken
        .toSorted((a, b) => a.from - b.from)
        .map(({ totals }) => totals.medianMs);
      assert.ok(first !== undefined && first >= 1n && first < 100n, `${first}`);
      assert.ok(second !== undefined && second >= 100n && second < 400n, `${second}`);
    });

    it("gives back within 100 ms though all its slots are busy, and a waiting claim whole", async () => {
      await using bench = await openBench({ pod, slots: 2 });
      const hold = join(bench.dir, "hold");
      const { input, n } = await bench.plan(specOf(sh(`while [ ! -e ${hold} ]; do sleep 0.02; done`)), many(40));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 10, input });
      await bench.owner.until(() => bench.owner.heardOf("beat").at(-1)?.claims[0]?.running.length === 2);
      const [working, waiting] = [...bench.owner.claims.values()].slice(-2);
      assert.ok(working !== undefined && waiting !== undefined);
      const [begin, start] = [working.from, waiting.from];
      // What is given back shall not come again.
      bench.owner.onHello = () => undefined;
      const ask = async (claim: string, from: number) => {
        const heard = bench.owner.heardOf("released").length;
        const began = performance.now();
        bench.owner.release(claim, from);
        await bench.owner.until(() => bench.owner.heardOf("released").length > heard);
        return { ms: performance.now() - began, from: bench.owner.heardOf("released")[heard]?.from };
      };
      const answers = [];
      for (const from of [begin + 8, begin + 6, begin + 4, begin]) answers.push(await ask(working.id, from));
      assert.deepEqual(
        answers.map(({ from }) => from),
        [begin + 8, begin + 6, begin + 4, begin + 2].map(BigInt),
        "it keeps what runs",
      );
      const whole = await ask(waiting.id, start);
      assert.equal(whole.from, BigInt(start));
      const times = [...answers, whole].map(({ ms }) => ms).sort((a, b) => a - b);
      assert.ok((times[2] as number) < 100, `${times}`);
      const beats = bench.owner.heardOf("beat").length;
      await bench.owner.until(() => bench.owner.heardOf("beat").length > beats + 2);
      assert.ok(
        !bench.owner
          .heardOf("beat")
          .at(-1)
          ?.claims.some(({ claim }) => claim === waiting.id),
      );
      assert.equal(existsSync(hold), false);
      writeFileSync(hold, "");
      await bench.owner.complete();
    });
  });
}
