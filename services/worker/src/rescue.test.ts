// What becomes of datums whose tries are spent: err_cmd saves them, or does not.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api, dispatch, store } from "@sheaf/proto";
import { JOB, outcomesOf, specOf } from "./testing/job-kit.ts";
import { openBench } from "./testing/worker-kit.ts";

const { SUCCESS, FAILED, RECOVERED } = api.DatumState;
const sh = (script: string) => ["sh", "-c", script];
/** One that does well, one that err_cmd saves, one that it does not. */
const THREE = { "/bad": "b", "/good": "g", "/odd": "o" };
/** Copies its input, but of /bad and /odd it leaves half a result and fails. */
const COPY = sh('cp "$SHEAF_INPUT" "$SHEAF_OUT"; case $SHEAF_INPUT in */good) ;; *) echo broken >&2; exit 4;; esac');
const ONE_FAILS = sh('echo "$SHEAF_FAILURE_REASON: $SHEAF_FAILURE_MESSAGE"; case $SHEAF_INPUT in */bad) exit 5;; esac');

describe("a worker, of datums whose tries are spent", () => {
  it("runs err_cmd once, which decides between FAILED and RECOVERED", async () => {
    await using bench = await openBench();
    const outcomes = await bench.run(specOf({ cmd: COPY, errCmd: ONE_FAILS }, { datumTries: 2 }), THREE);
    assert.deepEqual(
      outcomes.map(({ row, files }) => [row.state, row.tries, row.reason, row.message, [...files.keys()]]),
      [
        [
          FAILED,
          2,
          "EXIT_4",
          "the command exited with code 4: broken; err_cmd failed as well: the command exited with code 5",
          [],
        ],
        [SUCCESS, 1, "", "", ["/good"]],
        [RECOVERED, 2, "EXIT_4", "the command exited with code 4: broken", []],
      ],
    );
    // What it wrote follows what the tries wrote.
    assert.deepEqual(
      outcomes[2]?.log.map(({ attempt, text }) => `${attempt} ${Buffer.from(text)}`),
      ["1 broken", "2 broken", "3 EXIT_4: the command exited with code 4: broken"],
    );
    const sums = { succeeded: 0n, failed: 0n, recovered: 0n, skipped: 0n };
    for (const { totals } of bench.owner.taken)
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += totals[name];
    assert.deepEqual(sums, { succeeded: 1n, failed: 1n, recovered: 1n, skipped: 0n });
    // The failure that spends the last try is not told: whoever comes next runs the command once more (F5).
    assert.deepEqual(
      bench.owner.heardOf("tryFailed").map(({ index, tries }) => [index, tries]),
      [
        [0n, 1],
        [2n, 1],
      ],
    );
  });

  it("gives err_cmd its lines, the inputs, an empty output folder, and only 0 is its success", async () => {
    await using bench = await openBench();
    const seen = join(bench.dir, "seen");
    const errStdin = [
      `echo "$(cat "$SHEAF_INPUT") $(ls "$SHEAF_OUT" | wc -l) $(pwd)" >> ${seen}`,
      "echo x > $SHEAF_OUT/left",
      "exit 7",
    ];
    const transform = { cmd: COPY, errCmd: ["sh"], errStdin, acceptReturnCode: [7] };
    const outcomes = await bench.run(specOf(transform, { datumTries: 1 }), { "/bad": "content" });
    assert.deepEqual(
      outcomes.map(({ row, files }) => [row.state, row.reason, files.size]),
      [[FAILED, "EXIT_4", 0]],
    );
    assert.match(readFileSync(seen, "utf8"), /^content 0 \/\S+\/datums\/\d+\n$/);
  });

  it("stops an err_cmd that takes longer than datum_timeout, and says when there is no such command", async () => {
    await using bench = await openBench();
    const slow = { cmd: sh("exit 1"), errCmd: sh("sleep 60") };
    const more = { datumTries: 1, datumTimeout: { seconds: 0n, nanos: 400_000_000 } as never };
    const [timedOut] = await bench.run(specOf(slow, more), { "/bad": "b" });
    assert.equal(timedOut?.row.state, FAILED);
    assert.match(timedOut.row.message, /code 1; err_cmd failed as well: the command ran longer than .* 400 ms/);
    const [missing] = await bench.run(specOf({ cmd: sh("exit 1"), errCmd: ["no-such-cmd"] }, { datumTries: 1 }), {
      "/bad": "b",
    });
    assert.match(
      missing?.row.message ?? "",
      /code 1; err_cmd failed as well: the command "no-such-cmd" does not exist/,
    );
  });

  it("runs it for whatever is the command's own failure, an output that cannot be kept among them", async () => {
    await using bench = await openBench();
    const script = 'case $SHEAF_INPUT in */bad) ln -s /etc/passwd "$SHEAF_OUT/x";; *) kill -KILL $$;; esac';
    const outcomes = await bench.run(specOf({ cmd: sh(script), errCmd: ["true"] }, { datumTries: 2 }), {
      "/bad": "b",
      "/oom": "o",
    });
    assert.deepEqual(
      outcomes.map(({ row }) => [row.state, row.tries, row.reason]),
      [
        [RECOVERED, 2, "SYMLINK_ESCAPE"],
        [RECOVERED, 2, "OOM"],
      ],
    );
  });

  it("forgives the try that was spent when a user restarts the datum: its command runs again, not err_cmd", async () => {
    await using bench = await openBench();
    const [ran, go] = [join(bench.dir, "ran"), join(bench.dir, "go")];
    const cmd = sh(`echo cmd >> ${ran}; [ -e ${go} ]`);
    const { input } = await bench.plan(specOf({ cmd, errCmd: sh(`echo err >> ${ran}; sleep 60`) }, { datumTries: 1 }), {
      "/bad": "b",
    });
    bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n: 1, claimSize: 1, input });
    const said = () => (existsSync(ran) ? readFileSync(ran, "utf8") : "");
    await bench.owner.until(() => said() === "cmd\nerr\n");
    writeFileSync(go, "");
    const claim = [...bench.owner.claims.keys()].at(-1) ?? assert.fail();
    bench.owner.cancel(claim, dispatch.CancelReason.RESTARTED, 0);
    await bench.owner.complete();
    const [outcome] = await outcomesOf(bench.store, bench.owner.taken);
    assert.deepEqual([outcome?.row.state, outcome?.row.tries, said()], [SUCCESS, 1, "cmd\nerr\ncmd\n"]);
  });

  it("does not run it for what the command did not do", async () => {
    await using bench = await openBench();
    const ran = join(bench.dir, "ran");
    bench.owner.prior = [create(dispatch.PriorTriesSchema, { index: 1n, losses: 3, quarantined: true })];
    const outcomes = await bench.run(specOf({ cmd: ["true"], errCmd: ["touch", ran] }), { "/a": "a", "/kills": "k" });
    assert.deepEqual(
      outcomes.map(({ row }) => row.reason),
      ["", "QUARANTINED"],
    );
    assert.equal(existsSync(ran), false);
  });
});
