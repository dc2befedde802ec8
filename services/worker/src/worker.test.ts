import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { commitOfShards, getMessage, objectOf, putMessage, readCommit } from "@sheaf/files";
import { api, dispatch, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { JOB, outcomesOf, specOf, textOf, workOf } from "./testing/job-kit.ts";
import { openBench, PLACES, processesOf } from "./testing/worker-kit.ts";

const sh = (script: string) => ({ cmd: ["sh", "-c", script] });
const COUNT = sh('wc -c <"$SHEAF_INPUT" >"$SHEAF_OUT/n"');
const many = (n: number) =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`/f${String(i).padStart(4, "0")}`, "x".repeat(i)]));
const { SUCCESS, FAILED } = api.DatumState;

/** Intervals of the commits, in order; they must tile [0, n). */
function assertTiles(taken: readonly { readonly from: number; readonly to: number }[], n: number): void {
  let end = 0;
  for (const { from, to } of taken.toSorted((a, b) => a.from - b.from)) {
    assert.equal(from, end);
    end = to;
  }
  assert.equal(end, n);
}

for (const { where, pod } of PLACES) {
  describe(`a worker, with commands ${where}`, () => {
    it("plans, and gives every datum what it asked for", async () => {
      await using bench = await openBench({ pod });
      const outcomes = await bench.run(specOf(COUNT), many(35), 10);
      assertTiles(bench.owner.taken, 35);
      for (const [i, { row, files, log }] of outcomes.entries()) {
        assert.equal(row.index, BigInt(i));
        assert.equal(row.state, SUCCESS);
        assert.equal(row.tries, 1);
        assert.deepEqual(row.inputs, [`/f${String(i).padStart(4, "0")}`]);
        assert.deepEqual([...files], [["/n", `${i}\n`]]);
        assert.deepEqual(log, []);
        assert.equal(row.stats?.downloadBytes, BigInt(i));
      }
      const succeeded = bench.owner.taken.reduce((sum, { totals }) => sum + totals.succeeded, 0n);
      assert.equal(succeeded, 35n);
    });

    it("plans nothing for an empty input, or a glob that matches nothing", async () => {
      await using bench = await openBench({ pod });
      for (const [files, glob] of [
        [undefined, "/*"],
        [many(3), "/x*"],
      ] as const) {
        await bench.plan(specOf(COUNT, { input: { pfs: { name: "in", repo: "in", glob } } as api.Input }), files);
        const plan = await getMessage(
          bench.store,
          store.PlanManifestSchema,
          objectOf((bench.owner.taken[0] as { result: store.TableRef }).result),
        );
        assert.equal(plan.datums, 0n);
        assert.deepEqual(plan.chunks, []);
      }
    });

    it("gives the command its environment and nothing of the worker's own", async () => {
      process.env.SHEAF_TOKEN = "secret";
      await using bench = await openBench({ pod });
      const spec = specOf({
        ...sh('env | sort >"$SHEAF_OUT/env"; cat >"$SHEAF_OUT/stdin"; pwd; ls -l pfs/in >"$SHEAF_OUT/ls"; echo $0'),
        stdin: ["one", "two"],
        env: { MINE: "a b\nc", SHEAF_JOB_ID: "forged" },
      });
      const [outcome] = await bench.run(spec, { "/a b.sh": "hello" });
      const env = new Map(
        outcome?.files
          .get("/env")
          ?.split("\n")
          .map((line) => line.split("=", 2) as [string, string]),
      );
      const folder = (env.get("SHEAF_OUT") ?? "").replace("/pfs/out", "");
      assert.equal(env.get("SHEAF_INPUT"), `${folder}/pfs/in/a b.sh`);
      assert.equal(env.get("in"), `${folder}/pfs/in/a b.sh`);
      assert.equal(env.get("in_COMMIT"), "01jinput000000000000000000");
      assert.equal(env.get("SHEAF_JOB_ID"), JOB);
      assert.equal(env.get("PACH_JOB_ID"), JOB);
      assert.equal(env.get("SHEAF_DATUM_ID"), outcome?.row.id);
      assert.equal(env.get("PACH_DATUM_ID"), outcome?.row.id);
      assert.equal(env.get("PACH_OUTPUT_COMMIT_ID"), "01joutput00000000000000000");
      assert.equal(env.get("SHEAF_PIPELINE"), "edges");
      assert.equal(env.get("MINE"), "a b");
      assert.equal(env.has("SHEAF_TOKEN"), false);
      const allowed =
        /^(PATH|HOME|LANG|TZ|TMPDIR|PWD|_|SHLVL|MINE|c|in|in_COMMIT|PACH_.*|SHEAF_(INPUT|OUT|PROGRESS|DATUM_ID|JOB_ID|PIPELINE)|)$/;
      for (const name of env.keys()) assert.match(name, allowed);
      assert.equal(outcome?.files.get("/stdin"), "one\ntwo\n");
      assert.match(outcome?.files.get("/ls") ?? "", /-r-xr-xr-x.* a b\.sh/);
      assert.equal(Buffer.from(outcome?.log[0]?.text ?? []).toString(), folder);
    });

    it("tries a failing datum again, tells it, and lists it as failed in the end", async () => {
      await using bench = await openBench({ pod });
      const spec = specOf(
        sh('case $SHEAF_INPUT in */f0002) echo "no luck" >&2; exit 3;; esac; echo ok >"$SHEAF_OUT/x"'),
        { datumTries: 2 },
      );
      const outcomes = await bench.run(spec, many(5), 5);
      assert.deepEqual(
        outcomes.map(({ row }) => row.state),
        [SUCCESS, SUCCESS, FAILED, SUCCESS, SUCCESS],
      );
      const failed = outcomes[2];
      assert.equal(failed?.row.reason, "EXIT_3");
      assert.equal(failed?.row.message, "the command exited with code 3: no luck");
      assert.equal(failed?.row.tries, 2);
      assert.deepEqual(
        failed?.log.map(({ attempt, stream, text }) => [attempt, stream, Buffer.from(text).toString()]),
        [
          [1, api.LogStream.STDERR, "no luck"],
          [2, api.LogStream.STDERR, "no luck"],
        ],
      );
      assert.deepEqual(
        bench.owner.heardOf("tryFailed").map(({ index, tries }) => [index, tries]),
        [[2n, 1]],
      );
      const totals = bench.owner.taken.map(({ totals: each }) => each);
      assert.equal(
        totals.reduce((sum, { failed: n }) => sum + n, 0n),
        1n,
      );
      assert.equal(totals.find(({ failed: n }) => n > 0n)?.firstFailed, 2n);
      assert.match(totals.find(({ failed: n }) => n > 0n)?.firstFailedMessage ?? "", /no luck/);
    });

    it("says what is wrong with a command that cannot begin, and with sums", async () => {
      await using bench = await openBench({ pod });
      const cases: [string, Partial<api.Transform>, Partial<api.PipelineSpec>, string, RegExp][] = [
        [
          "missing",
          { cmd: ["no-such-command"] },
          {},
          "COMMAND_NOT_FOUND",
          /"no-such-command" does not exist \((PATH is |not in the PATH of its image)/,
        ],
        ["not executable", { cmd: ["/etc/passwd"] }, {}, "NOT_EXECUTABLE", /"\/etc\/passwd" is not an executable file/],
        ["working dir", { ...COUNT, workingDir: "/no/such" }, {}, "NO_WORKING_DIR", /"\/no\/such"/],
        [
          "sum",
          sh('printf "a\\t1\\nb c\\n" >"$SHEAF_OUT/s"'),
          { merge: { strategy: api.MergeStrategy.SUM } as api.MergeSpec },
          "NOT_A_SUM",
          /"\/s".*line 2/,
        ],
      ];
      for (const [name, transform, more, reason, message] of cases) {
        const [outcome] = await bench.run(specOf(transform, { datumTries: 1, ...more }), { "/f": "1" });
        assert.equal(outcome?.row.reason, reason, name);
        assert.match(outcome?.row.message ?? "", message, name);
        assert.equal(outcome?.files.size, 0, name);
      }
    });

    it("accepts exit codes, empty outputs, and links that stay inside", async () => {
      await using bench = await openBench({ pod });
      const script =
        'exec 2>/dev/null; cd "$SHEAF_OUT"; mkdir -p d/e empty; echo 1 >d/e/f; ln -s d l; ln -s "$SHEAF_INPUT" i; chmod +x d/e/f; exit 7';
      const [outcome] = await bench.run(specOf({ ...sh(script), acceptReturnCode: [7] }), { "/f": "in" });
      assert.equal(outcome?.row.state, SUCCESS, outcome?.row.message);
      assert.deepEqual([...(outcome?.files ?? [])].sort(), [
        ["/d/e/f", "1\n"],
        ["/i", "in"],
        ["/l/e/f", "1\n"],
      ]);
      const [nothing] = await bench.run(specOf(sh("true")), { "/f": "in" });
      assert.equal(nothing?.row.state, SUCCESS);
      assert.equal(nothing?.files.size, 0);
    });

    it("keeps one datum's mess from the next, and the store's bytes from all", async () => {
      await using bench = await openBench({ pod });
      const mess =
        'ls -A . pfs pfs/in pfs/out; chmod 700 pfs/in/*; echo more >>"$SHEAF_INPUT"; touch here pfs/x pfs/in/y; mkdir pfs/z; chmod 000 pfs/in; sleep 300 & true';
      const outcomes = await bench.run(specOf(sh(mess)), many(6), 6);
      const seen = outcomes.map(({ log, row }) =>
        log
          .map(({ text }) => Buffer.from(text).toString())
          .join(" ")
          .replaceAll(row.inputs[0]?.slice(1) ?? "", "FILE"),
      );
      assert.deepEqual(new Set(seen), new Set([".: pfs  pfs: in out  pfs/in: FILE  pfs/out:"]));
      const again = await bench.run(specOf(COUNT), many(6), 6);
      assert.deepEqual(
        again.map(({ files }) => files.get("/n")),
        ["0\n", "1\n", "2\n", "3\n", "4\n", "5\n"],
      );
    });

    it("cuts runs while a long datum holds up nothing but what is behind it", async () => {
      await using bench = await openBench({ pod, slots: 2 });
      bench.owner.cutIntervalMs = 50;
      bench.owner.hangUp();
      const spec = specOf(
        sh('case $SHEAF_INPUT in */f0010) while [ ! -e "$HOLD" ]; do sleep 0.02; done;; esac; sleep 0.01'),
        {},
      );
      Object.assign((spec as { transform: { env: Record<string, string> } }).transform, {
        env: { HOLD: join(bench.dir, "hold") },
      });
      const { input, n } = await bench.plan(spec, many(30));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 30, input });
      await bench.owner.until(() => bench.owner.taken.some(({ to }) => to === 10));
      writeFileSync(join(bench.dir, "hold"), "");
      await bench.owner.complete();
      assertTiles(bench.owner.taken, 30);
    });

    it("runs as many commands at a time as it has slots, and none waits for a straggler in another", async () => {
      await using bench = await openBench({ pod, slots: 4 });
      // The first three of each wave wait for each other, so they end only if they run at a time; the first datum waits for all.
      const [met, hold] = [join(bench.dir, "met"), join(bench.dir, "hold")];
      mkdirSync(met);
      const script = `case $SHEAF_INPUT in
      */f0000) while [ ! -e ${hold} ]; do sleep 0.02; done ;;
      *) n=\${SHEAF_INPUT##*/f}; n=\${n#0}; n=\${n#0}; n=\${n#0}; wave=$(( (n - 1) / 3 )); touch ${met}/$wave-$n
         while [ "$(ls ${met} | grep -c "^$wave-")" -lt 3 ]; do sleep 0.02; done ;;
      esac`;
      const { input, n } = await bench.plan(specOf(sh(script)), many(13));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 13, input });
      await bench.owner.until(() => existsSync(join(met, "3-12")));
      writeFileSync(hold, "");
      await bench.owner.complete();
      const outcomes = await outcomesOf(bench.store, bench.owner.taken);
      assert.deepEqual(new Set(outcomes.map(({ row }) => row.state)), new Set([api.DatumState.SUCCESS]));
    });

    it("goes on working without its owner, and commits to it when it is back", async () => {
      await using bench = await openBench({ pod });
      const { input, n } = await bench.plan(specOf(sh('sleep 0.02; wc -c <"$SHEAF_INPUT" >"$SHEAF_OUT/n"')), many(40));
      bench.owner.cutIntervalMs = 100;
      bench.owner.hangUp();
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 20, input });
      await bench.owner.until(() => bench.owner.taken.length >= 1);
      const hellos = bench.owner.heardOf("hello").length;
      bench.owner.hangUp();
      await bench.owner.complete();
      const hello = bench.owner.heardOf("hello")[hellos];
      assert.ok(hello !== undefined && hello.holds.length > 0, "it shows what it holds");
      assertTiles(bench.owner.taken, 40);
      const outcomes = await outcomesOf(bench.store, bench.owner.taken);
      assert.deepEqual(
        outcomes.map(({ files }) => files.get("/n")),
        Array.from({ length: 40 }, (_, i) => `${i}\n`),
      );
    });

    it("commits again what was not answered, and drops what does not stand", async () => {
      await using bench = await openBench({ pod });
      const { input, n } = await bench.plan(specOf(COUNT), many(10));
      const silent = new Set<string>();
      bench.owner.onCommit = ({ attempt }) => (silent.size === 0 && silent.add(attempt) ? null : undefined);
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 10, input });
      await bench.owner.until(() => silent.size > 0);
      bench.owner.hangUp();
      await bench.owner.complete();
      const attempts = bench.owner.heardOf("commit").map(({ attempt }) => attempt);
      assert.equal(attempts.filter((attempt) => silent.has(attempt)).length, 2);
      // A claim that does not stand is worked on no longer: its datums come by another one.
      bench.owner.onCommit = () => undefined;
      const slow = await bench.plan(specOf(sh("sleep 0.05")), many(10));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n: slow.n, claimSize: 10, input: slow.input });
      await bench.owner.until(() =>
        bench.owner.heardOf("beat").some(({ claims }) => claims.some(({ finished }) => finished > 1n)),
      );
      bench.owner.claims.clear();
      bench.owner.hangUp();
      const wants = bench.owner.heardOf("want").length;
      await bench.owner.until(() =>
        bench.owner
          .heardOf("want")
          .slice(wants)
          .some(({ claims }) => claims === 2),
      );
    });

    it("cuts again what was refused in part", async () => {
      await using bench = await openBench({ pod });
      bench.owner.onCommit = ({ from, to }, owner) => {
        if (from <= 4n && to > 4n && !owner.isComplete) owner.markDone(4);
        return undefined;
      };
      const { input, n } = await bench.plan(
        specOf(sh('printf "k\\t1\\n" >"$SHEAF_OUT/s"'), {
          merge: { strategy: api.MergeStrategy.SUM } as api.MergeSpec,
        }),
        many(10),
      );
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 10, input });
      await bench.owner.complete();
      const committed = new Set(
        bench.owner.taken.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i)),
      );
      assert.deepEqual(
        [...committed].sort((a, b) => a - b),
        [0, 1, 2, 3, 5, 6, 7, 8, 9],
      );
    });

    it("commits once more when the owner cannot say yet", async () => {
      await using bench = await openBench({ pod });
      let refusals = 0;
      bench.owner.onCommit = ({ claim, from, to }) => {
        if (refusals++ >= 2) return undefined;
        return {
          case: "refused",
          value: create(dispatch.RefusedSchema, {
            claim,
            from,
            to,
            code: dispatch.RefusedCode.TRY_AGAIN,
            stillFrom: from,
            stillTo: to,
          }),
        };
      };
      await bench.run(specOf(COUNT), many(4), 4);
      assertTiles(bench.owner.taken, 4);
    });

    it("gives back its unstarted tail when it is asked to", async () => {
      await using bench = await openBench({ pod });
      const { input, n } = await bench.plan(specOf(sh("sleep 0.1")), many(20));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 20, input });
      await bench.owner.until(() =>
        bench.owner.heardOf("beat").some(({ claims }) => claims.some(({ finished }) => finished > 1n)),
      );
      const [claim] = [...bench.owner.claims.keys()] as [string];
      bench.owner.say({ case: "release", value: create(dispatch.ReleaseSchema, { claim, from: 0n }) });
      await bench.owner.until(() => bench.owner.heardOf("released").length > 0);
      const released = bench.owner.heardOf("released")[0];
      assert.equal(released?.claim, claim);
      assert.ok((released?.from ?? 0n) > 1n && (released?.from ?? 20n) < 19n);
      await bench.owner.complete();
      assertTiles(bench.owner.taken, 20);
    });

    it("kills what is cancelled", async () => {
      await using bench = await openBench({ pod });
      const mark = `400.${process.pid}`;
      const { input, n } = await bench.plan(specOf(sh(`sleep ${mark}`)), many(2));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 2, input });
      while (processesOf(mark).length === 0) await systemClock.sleep(10);
      const [claim] = [...bench.owner.claims.keys()] as [string];
      bench.owner.claims.clear();
      bench.owner.say({
        case: "cancel",
        value: create(dispatch.CancelSchema, { claim, reason: dispatch.CancelReason.STOPPED }),
      });
      while (processesOf(mark).length > 0) await systemClock.sleep(10);
      await bench.owner.until(() => bench.owner.heardOf("want").at(-1)?.claims === 2);
      assert.equal(bench.owner.heardOf("commit").length, 1, "only the plan's");
    });

    it("runs a datum anew when a user wants that, and spends no try", async () => {
      await using bench = await openBench({ pod });
      const seen = join(bench.dir, "seen");
      const { input, n } = await bench.plan(
        specOf(sh(`echo x >>${seen}; [ $(wc -l <${seen}) -gt 1 ] || sleep 500`), { datumTries: 1 }),
        many(1),
      );
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 1, input });
      while (!existsSync(seen)) await systemClock.sleep(10);
      const [claim] = [...bench.owner.claims.keys()] as [string];
      bench.owner.say({
        case: "cancel",
        value: create(dispatch.CancelSchema, { claim, index: 0n, reason: dispatch.CancelReason.RESTARTED }),
      });
      await bench.owner.complete();
      const [outcome] = await outcomesOf(bench.store, bench.owner.taken);
      assert.equal(outcome?.row.state, SUCCESS);
      assert.equal(outcome?.row.tries, 1);
      assert.equal(readFileSync(seen, "utf8"), "x\nx\n");
    });

    it("drains: finishes what runs, commits, gives back the rest, and says good-bye", async () => {
      await using bench = await openBench({ pod });
      const { input, n } = await bench.plan(specOf(sh("sleep 0.1")), many(20));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 10, input });
      await bench.owner.until(() =>
        bench.owner.heardOf("beat").some(({ claims }) => claims.some(({ finished }) => finished > 1n)),
      );
      bench.owner.say({ case: "drain", value: create(dispatch.DrainSchema) });
      await bench.owner.until(() => bench.owner.heard.at(-1)?.case === "leaving");
      while (!bench.drained) await systemClock.sleep(5);
      const done = bench.owner.taken.reduce((sum, { from, to }) => sum + to - from, 0);
      assert.ok(done >= 2 && done < 10, `${done} done`);
      assert.equal(bench.owner.claims.size, 0);
    });

    it("merges shards", async () => {
      await using bench = await openBench({ pod });
      const merge = { rules: [{ glob: "/sum", strategy: api.MergeStrategy.SUM }] } as api.MergeSpec;
      const spec = specOf(
        sh(
          'n=$(basename "$SHEAF_INPUT"); echo $n >"$SHEAF_OUT/all"; echo $n >"$SHEAF_OUT/$n"; printf "a\\t1\\nz\\t2\\n" >"$SHEAF_OUT/sum"',
        ),
        { merge },
      );
      await bench.run(spec, many(20), 7);
      const runs = bench.owner.taken
        .toSorted((a, b) => a.from - b.from)
        .map(({ from, to, result }) => ({ from: BigInt(from), to: BigInt(to), table: result }));
      const runList = await putMessage(
        bench.store,
        "runlists",
        store.RunListSchema,
        create(store.RunListSchema, { version: 1, runs }),
      );
      const points = [{ path: "/f0010" }, { path: "/sum", key: Buffer.from("m") }];
      const cuts = await putMessage(
        bench.store,
        "cuts",
        store.CutsSchema,
        create(store.CutsSchema, { version: 1, points }),
      );
      const input = await workOf(bench.store, spec, { merge: { runs: runList, cuts } });
      bench.owner.give({ job: JOB, kind: store.WorkKind.MERGE, n: 3, claimSize: 2, input });
      await bench.owner.complete();
      const shards: store.MergedShard[] = [];
      for (const { result } of bench.owner.taken.toSorted((a, b) => a.from - b.from)) {
        shards.push(...(await getMessage(bench.store, store.MergeResultSchema, objectOf(result))).shards);
      }
      assert.equal(shards.length, 3);
      const outcome = await commitOfShards(bench.store, shards);
      assert.ok(outcome.kind === "commit");
      const files = new Map<string, string>();
      for await (const entry of readCommit(bench.store, outcome.ref))
        files.set(entry.path, await textOf(bench.store, entry));
      const names = Object.keys(many(20)).map((path) => path.slice(1));
      const expected = [
        ["/all", names.map((name) => `${name}\n`).join("")],
        ...names.map((name) => [`/${name}`, `${name}\n`]),
        ["/sum", "a\t20\nz\t40\n"],
      ];
      assert.deepEqual([...files], expected);
    });
  });
}
