// Long-lived commands, with real processes: what a datum sees, whose fault an end is, and whose the lines of the log are.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { api, dispatch, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { type DatumOutcome, JOB, outcomesOf, specOf } from "./testing/job-kit.ts";
import { openBench, PLACES } from "./testing/worker-kit.ts";

const { SUCCESS, FAILED, RECOVERED } = api.DatumState;

/** A loop in the shell around what is to be done with one datum: that sets `answer`. */
function loop(body: string, more: Partial<api.Transform> = {}, before = "") {
  const script = `
    exec 3<"$SHEAF_DATUMS" 4>"$SHEAF_RESULTS"
    ${before}
    while read -r number file <&3; do
      . "$file"
      answer="ok $number"
      name=\${SHEAF_INPUT##*/}
      ${body}
      echo "$answer" >&4
    done`;
  return { cmd: ["sh", "-c", script], datumBatching: true, ...more };
}

const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`/f${i}`, "x".repeat(i)]));
const logOf = ({ log }: DatumOutcome) => log.map(({ text }) => Buffer.from(text).toString());
const told = (outcomes: readonly DatumOutcome[]) => outcomes.map(({ row }) => [row.state, row.tries, row.reason]);

for (const { where, pod } of PLACES) {
  describe(`a long-lived command, with commands ${where}`, () => {
    it("takes all datums, each with its own variables, files and log", async () => {
      await using bench = await openBench({ pod });
      const body = 'wc -c <"$SHEAF_INPUT" >"$SHEAF_OUT/n"; echo "$$" >"$SHEAF_OUT/pid"; echo "$name"; echo "$MINE" >&2';
      const spec = specOf(loop(body, { env: { MINE: "a 'b'" } }));
      const outcomes = await bench.run(spec, many(50));
      for (const outcome of outcomes) {
        const [path = ""] = outcome.row.inputs;
        assert.equal(outcome.row.state, SUCCESS, outcome.row.message);
        assert.equal(`/f${outcome.files.get("/n")?.trim()}`, path);
        assert.deepEqual(logOf(outcome).sort(), ["a 'b'", path.slice(1)]);
      }
      assert.equal(new Set(outcomes.map(({ files }) => files.get("/pid"))).size, 1);
    });

    it("finds each datum at /pfs, where the worker may mount", async (t) => {
      await using bench = await openBench({ pod });
      const body = 'cat "/pfs/in/$name" >"$SHEAF_OUT/n" && echo "$name" >/pfs/out/name';
      const spec = specOf(loop(`[ -e /pfs ] || echo none; ${body}`), { datumTries: 1 });
      const outcomes = await bench.run(spec, many(5));
      if (outcomes.some((outcome) => logOf(outcome).includes("none"))) return t.skip("needs the right to mount");
      for (const { row, files } of outcomes) {
        const name = row.inputs[0]?.slice(1) ?? "";
        assert.deepEqual([`f${files.get("/n")?.length}`, files.get("/name")], [name, `${name}\n`]);
      }
    });

    it("leaves what it cannot do to err_cmd, which is a command of its own, and goes on after it", async () => {
      await using bench = await openBench({ pod });
      const body = '[ "$name" != f1 ] || answer="fail $number 7 no"; echo "$name" >"$SHEAF_OUT/n"';
      const errCmd = ["sh", "-c", 'echo "saved: $SHEAF_FAILURE_REASON"; test -e "$SHEAF_INPUT"'];
      const outcomes = await bench.run(specOf(loop(body, { errCmd }), { datumTries: 2 }), many(4));
      assert.deepEqual(told(outcomes), [
        [SUCCESS, 1, ""],
        [RECOVERED, 2, "EXIT_7"],
        [SUCCESS, 1, ""],
        [SUCCESS, 1, ""],
      ]);
      assert.deepEqual(
        outcomes.map(({ files }) => files.size),
        [1, 0, 1, 1],
      );
      assert.deepEqual(logOf(outcomes[1] as DatumOutcome), ["saved: EXIT_7"]);
    });

    it("reads the end of its input when another job follows, and may tidy up", async () => {
      await using bench = await openBench({ pod });
      const script = (which: string) => loop('echo 1 >"$SHEAF_OUT/n"', { env: { WHICH: which, DIR: bench.dir } });
      const withEnd = (which: string) => {
        const transform = script(which);
        const [sh = "", c = "", text = ""] = transform.cmd;
        return specOf({ ...transform, cmd: [sh, c, `${text}\necho end >"$DIR/$WHICH"`] });
      };
      await bench.run(withEnd("first"), many(3));
      await bench.run(withEnd("second"), many(3));
      assert.equal(readFileSync(join(bench.dir, "first"), "utf8"), "end\n");
      assert.equal(existsSync(join(bench.dir, "second")), false);
    });

    it("names with odd characters arrive as they are", async () => {
      await using bench = await openBench({ pod });
      const names = ["a b", "it's", 'a"$(x)`y`', "ü€", "-n"];
      const files = Object.fromEntries(names.map((name) => [`/${name}`, name]));
      const outcomes = await bench.run(specOf(loop('cat "$SHEAF_INPUT" >"$SHEAF_OUT/$name"')), files);
      assert.deepEqual(
        outcomes.flatMap((outcome) => [...outcome.files]).sort(),
        names.map((name) => [`/${name}`, name]).sort(),
      );
    });

    it("a datum that it fails costs that datum a try; codes may be accepted", async () => {
      await using bench = await openBench({ pod });
      const body = `case $name in
      f1) answer="fail $number 3 it's no good";;
      f2) answer="fail $number 4";;
      f3) echo "last words of f3" >&2; answer="fail $number 5 bad";;
    esac`;
      const spec = specOf(loop(body, { acceptReturnCode: [4] }), { datumTries: 2 });
      const outcomes = await bench.run(spec, many(5));
      assert.deepEqual(told(outcomes), [
        [SUCCESS, 1, ""],
        [FAILED, 2, "EXIT_3"],
        [SUCCESS, 1, ""],
        [FAILED, 2, "EXIT_5"],
        [SUCCESS, 1, ""],
      ]);
      assert.equal(outcomes[1]?.row.message, "the command answered that it failed with code 3: it's no good");
      assert.deepEqual(logOf(outcomes[3] as DatumOutcome), ["last words of f3", "last words of f3"]);
      assert.deepEqual(logOf(outcomes[4] as DatumOutcome), []);
    });

    it("an end in the middle of a datum costs that datum a try, whatever the exit code, and it is started again", async () => {
      await using bench = await openBench({ pod });
      const body = `case $name in
      f1) exit 0;;
      f2) echo "oh no" >&2; exit 7;;
      f3) kill -9 $$;;
      f4) [ -e "$DIR/seen" ] || { : >"$DIR/seen"; exit 1; };;
    esac; echo "$$" >"$SHEAF_OUT/pid"`;
      const spec = specOf(loop(body, { env: { DIR: bench.dir } }), { datumTries: 2 });
      const outcomes = await bench.run(spec, many(7));
      assert.deepEqual(told(outcomes), [
        [SUCCESS, 1, ""],
        [FAILED, 2, "NO_ANSWER"],
        [FAILED, 2, "EXIT_7"],
        [FAILED, 2, "OOM"],
        [SUCCESS, 2, ""],
        [SUCCESS, 1, ""],
        [SUCCESS, 1, ""],
      ]);
      assert.match(outcomes[1]?.row.message ?? "", /^the command ended with exit code 0 before it had answered/);
      assert.match(outcomes[2]?.row.message ?? "", /^the command exited with code 7: oh no$/);
      assert.deepEqual(logOf(outcomes[2] as DatumOutcome), ["oh no", "oh no"]);
    });

    it("a timeout costs that datum a try; the others are not told of it", async () => {
      await using bench = await openBench({ pod });
      const body = 'case $name in f1) sleep 1000;; esac; echo "$name"';
      const spec = specOf(loop(body), { datumTries: 1, datumTimeout: { seconds: 1n, nanos: 0 } as never });
      const outcomes = await bench.run(spec, many(4));
      assert.deepEqual(told(outcomes), [
        [SUCCESS, 1, ""],
        [FAILED, 1, "TIMEOUT"],
        [SUCCESS, 1, ""],
        [SUCCESS, 1, ""],
      ]);
      assert.deepEqual(logOf(outcomes[2] as DatumOutcome), ["f2"]);
    });

    it("one that ends itself after some datums costs none of them a try", async () => {
      await using bench = await openBench({ pod });
      const body =
        'echo "$$" >"$SHEAF_OUT/pid"; count=$((count + 1)); if [ $count = 3 ]; then echo "$answer" >&4; exit 0; fi';
      const outcomes = await bench.run(specOf(loop(body, {}, "count=0"), { datumTries: 1 }), many(10));
      assert.deepEqual(new Set(told(outcomes).map(String)), new Set([String([SUCCESS, 1, ""])]));
      assert.equal(new Set(outcomes.map(({ files }) => files.get("/pid"))).size, 4);
    });

    it("one that never takes a datum fails them with the reason, and ends", async () => {
      await using bench = await openBench({ pod });
      for (const [cmd, reason, message] of [
        [["true"], "NO_ANSWER", /^the command ended with exit code 0 and never took a datum from \$SHEAF_DATUMS$/],
        [["sh", "-c", "echo why >&2; exit 9"], "EXIT_9", /^the command exited with code 9: why$/],
        [["no-such-program"], "COMMAND_NOT_FOUND", /^the command "no-such-program" does not exist/],
      ] as const) {
        const outcomes = await bench.run(specOf({ cmd: [...cmd], datumBatching: true }, { datumTries: 2 }), many(1));
        assert.deepEqual(told(outcomes), [[FAILED, 2, reason]]);
        for (const { row } of outcomes) assert.match(row.message, message);
      }
    });

    it("an answer to something else is not taken for one", async () => {
      await using bench = await openBench({ pod });
      const body =
        ': >"$SHEAF_OUT/ran"; case $name in f1) answer="ok 999";; f2) answer="done";; f3) echo "$answer" >&4;; esac';
      const outcomes = await bench.run(specOf(loop(body), { datumTries: 1 }), many(6));
      assert.deepEqual(
        outcomes.slice(0, 3).map(({ row }) => row.reason),
        ["", "BAD_ANSWER", "BAD_ANSWER"],
      );
      assert.match(
        outcomes[1]?.row.message ?? "",
        /^the command answered "ok 999" while it had the datum with NUMBER 2: answer each datum once/,
      );
      assert.match(outcomes[2]?.row.message ?? "", /^the command answered "done"; an answer is "ok NUMBER" or/);
      // The second answer to f3 is seen with the first, while f4 is out, or between: in no case is f4 done without being run.
      for (const { row } of outcomes.slice(3, 5)) assert.ok(["", "BAD_ANSWER"].includes(row.reason), row.reason);
      assert.deepEqual(
        outcomes.map(({ files }) => files.size),
        outcomes.map(({ row }) => (row.state === SUCCESS ? 1 : 0)),
      );
      assert.equal(outcomes[5]?.row.state, SUCCESS);
    });

    it("a lost race for its datum, or a restart, ends it, and the next goes on", async () => {
      await using bench = await openBench({ pod });
      const ran = join(bench.dir, "ran");
      const body = 'echo "$name" >>"$RAN"; if [ "$name" = f1 ] && [ ! -e "$RAN.go" ]; then sleep 1000; fi';
      const { input, n } = await bench.plan(specOf(loop(body, { env: { RAN: ran } }), { datumTries: 1 }), many(3));
      bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 3, input });
      while (!existsSync(ran) || !readFileSync(ran, "utf8").includes("f1")) await systemClock.sleep(10);
      writeFileSync(`${ran}.go`, "");
      const [claim = ""] = bench.owner.claims.keys();
      bench.owner.cancel(claim, dispatch.CancelReason.RESTARTED, 1);
      await bench.owner.complete();
      const outcomes = await outcomesOf(bench.store, bench.owner.taken);
      assert.deepEqual(told(outcomes), Array(3).fill([SUCCESS, 1, ""]));
      assert.deepEqual(readFileSync(ran, "utf8").split("\n").sort(), ["", "f0", "f1", "f1", "f2"]);
    });
  });
}
