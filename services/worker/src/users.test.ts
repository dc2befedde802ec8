// transform.user: commands that run as somebody else than the worker, with real processes. Only root can do it.

import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { api } from "@sheaf/proto";
import { type DatumOutcome, type SpecInit, specOf } from "./testing/job-kit.ts";
import { type Bench, openBench, processesOf } from "./testing/worker-kit.ts";

const { SUCCESS, FAILED, RECOVERED } = api.DatumState;
const isRoot = process.getuid?.() === 0;

const logOf = ({ log }: DatumOutcome) => log.map(({ text }) => Buffer.from(text).toString());

/** Runs one datum for each file as the user; skips the test where that cannot be. */
async function runAs(
  t: TestContext,
  bench: Bench,
  user: string,
  transform: Partial<api.Transform>,
  more: Partial<api.PipelineSpec> = {},
  files: Readonly<Record<string, string>> = { "/f.sh": "input" },
): Promise<readonly DatumOutcome[] | undefined> {
  const spec = specOf({ user, env: { DIR: bench.dir }, ...transform }, { datumTries: 1, ...more }) as SpecInit;
  const outcomes = await bench.run(spec, files);
  const mount = outcomes.find(({ row }) => row.message.includes("may not mount"));
  if (mount === undefined) return outcomes;
  t.skip(mount.row.message);
  return undefined;
}

const sh = (script: string) => ({ cmd: ["sh", "-c", script] });

describe("a command of another user", { skip: !isRoot && "needs root" }, () => {
  it("has that user's ids and no others, its home, and its datum in both ways", async (t) => {
    await using bench = await openBench();
    const script = `
      echo "$(id -u) $(id -g) $(id -G) $HOME $USER $LOGNAME" >"$SHEAF_OUT/id"
      cat "$SHEAF_INPUT" >/pfs/out/copy; test -x "$SHEAF_INPUT" && echo x >"$SHEAF_OUT/is-executable"
      cat >here && cp here "$SHEAF_OUT/stdin"
      [ "$(pwd)/pfs/out" = "$SHEAF_OUT" ] && echo 50% >"$SHEAF_PROGRESS"
      ln -s "$SHEAF_INPUT" "$SHEAF_OUT/link"; ln -s /pfs/in "$SHEAF_OUT/folder"; ln -s ../in/f.sh "$SHEAF_OUT/relative"
      ln -s "$(realpath /pfs/in/f.sh)" "$SHEAF_OUT/real"
      mkdir -m 700 "$SHEAF_OUT/closed"; umask 077; echo 1 >"$SHEAF_OUT/closed/f"
      echo out >/dev/stdout; echo err >/dev/stderr`;
    const outcomes = await runAs(t, bench, "54321:12345", { ...sh(script), stdin: ["line"] });
    if (outcomes === undefined) return;
    const [outcome] = outcomes as [DatumOutcome];
    assert.equal(outcome.row.state, SUCCESS, outcome.row.message);
    assert.deepEqual(Object.fromEntries(outcome.files), {
      "/id": "54321 12345 12345 / 54321 54321\n",
      ...{ "/copy": "input", "/is-executable": "x\n", "/stdin": "line\n", "/closed/f": "1\n" },
      ...{ "/link": "input", "/folder/f.sh": "input", "/relative": "input", "/real": "input" },
    });
    assert.deepEqual(logOf(outcome).sort(), ["err", "out"]);
  });

  it("can change no input, and reads and ends nothing of the worker", async (t) => {
    await using bench = await openBench();
    // Each line is one attempt; what succeeds says so.
    const script = `
      try() { ( eval "$1" ) >/dev/null 2>&1 && echo "could: $1"; }
      try 'echo x >"$SHEAF_INPUT"'; try 'chmod 777 "$SHEAF_INPUT"'; try 'rm -f "$SHEAF_INPUT"'; try 'echo >/pfs/in/new'
      try 'ls "$DIR"'; try 'cd "$DIR/scratch"'; try 'ls "$DIR/store"'; try 'ls /.sheaf/given'; try 'echo >/.sheaf/given/new'
      try 'ln -sfn /etc /pfs'; try 'ln -sfn /etc /.sheaf/pfs/now'; try 'echo >/.sheaf/pfs/x'; try 'mkdir /x'
      try 'kill -9 1'; try 'ls /proc/1/fd'; try 'cat /proc/1/environ'; try 'cat /etc/shadow'
      try 'su root -c true </dev/null'; try 'mount -t tmpfs none .'; try 'chown 0 here'
      grep -h -E "NoNewPrivs|CapEff|CapPrm|CapInh|CapAmb" /proc/self/status >"$SHEAF_OUT/rights"
      echo "$(grep -c . /proc/self/mountinfo)" >/dev/null; echo done`;
    const outcomes = await runAs(t, bench, "54321", sh(script));
    if (outcomes === undefined) return;
    const [outcome] = outcomes as [DatumOutcome];
    assert.equal(outcome.row.state, SUCCESS, outcome.row.message);
    assert.deepEqual(logOf(outcome), ["done"]);
    const rights = outcome.files.get("/rights")?.split("\n").filter(Boolean) ?? [];
    assert.deepEqual(
      rights.map((line) => line.split("\t")[1]),
      ["0000000000000000", "0000000000000000", "0000000000000000", "0000000000000000", "1"],
    );
  });

  it("leaves nothing alive, is ended by datum_timeout, and leaves the slot as it was", async (t) => {
    await using bench = await openBench();
    const script = `case $SHEAF_INPUT in
      */a) trap "" TERM; (trap "" TERM; while :; do sleep 1; done; : "$DIR") & setsid sh -c 'sleep 1000; : "$1"' sh "$DIR" & sleep 1000 ;;
      */b) setsid sh -c 'sleep 1000; : "$1"' sh "$DIR" >/dev/null 2>&1 & ;;
      *) ps -e -o comm= | grep -cx sleep >"$SHEAF_OUT/others" ;;
    esac; exit 0`;
    const files = { "/a": "", "/b": "", "/c": "" };
    const more = { datumTimeout: { seconds: 0n, nanos: 300_000_000 } as never };
    const outcomes = await runAs(t, bench, "54321", sh(script), more, files);
    if (outcomes === undefined) return;
    assert.deepEqual(
      outcomes.map(({ row }) => [row.state, row.reason]),
      [
        [FAILED, "TIMEOUT"],
        [SUCCESS, ""],
        [SUCCESS, ""],
      ],
    );
    assert.equal(outcomes[2]?.files.get("/others"), "0\n");
    assert.deepEqual(processesOf("sleep 1000"), []);
    // All that was given is removed, or will be in a moment.
    const given = join(bench.dir, "scratch", "worker-1", "given");
    assert.equal(statSync(given).mode & 0o777, 0o711);
    while (readdirSync(given).length > 0) await new Promise(setImmediate);
  });

  it("runs in batches, and so does err_cmd, which is the user's as well", async (t) => {
    await using bench = await openBench();
    const script = `exec 3<"$SHEAF_DATUMS" 4>"$SHEAF_RESULTS"
      while read -r number file <&3; do . "$file"
        id -u >"$SHEAF_OUT/uid"; cat "$SHEAF_INPUT" /pfs/in/* >"$SHEAF_OUT/copy"; echo "$HOME" >home; cp home "$SHEAF_OUT"
        case $SHEAF_INPUT in */b) echo "fail $number 3 no" >&4 ;; *) echo "ok $number" >&4 ;; esac
      done`;
    const errCmd = ["sh", "-c", 'id -u; cat "$SHEAF_INPUT"; test -z "$(ls "$SHEAF_OUT")"'];
    const transform = { cmd: ["sh", "-c", script], errCmd, datumBatching: true };
    const outcomes = await runAs(t, bench, "54321", transform, {}, { "/a": "A", "/b": "B", "/c": "C" });
    if (outcomes === undefined) return;
    assert.deepEqual(
      outcomes.map(({ row }) => [row.state, row.reason]),
      [
        [SUCCESS, ""],
        [RECOVERED, "EXIT_3"],
        [SUCCESS, ""],
      ],
    );
    assert.deepEqual(
      outcomes.map(({ files }) => Object.fromEntries(files)),
      [{ "/uid": "54321\n", "/copy": "AA", "/home": "/\n" }, {}, { "/uid": "54321\n", "/copy": "CC", "/home": "/\n" }],
    );
    assert.deepEqual(logOf(outcomes[1] as DatumOutcome), ["54321", "B"]);
  });

  it("reads lazy files, and runs beside commands of the worker's own on the same slots", async (t) => {
    await using bench = await openBench({ slots: 2 });
    const script = 'cat "$SHEAF_INPUT" >"$SHEAF_OUT/f"; id -u >"$SHEAF_OUT/uid"; echo err >/dev/stderr';
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`/f${i}`, `${i}`.repeat(100_000)]));
    const lazy = { input: { pfs: { name: "in", repo: "in", glob: "/*", lazy: true } } as api.Input };
    for (const [user, uid] of [
      ["54321", "54321"],
      ["root", "0"],
      ["", "0"],
      ["54322", "54322"],
    ] as const) {
      const outcomes = await runAs(t, bench, user, sh(script), user === "" ? {} : lazy, files);
      if (outcomes === undefined) return;
      for (const { row, files: left, log } of outcomes) {
        assert.equal(row.state, SUCCESS, row.message);
        assert.equal(left.get("/uid"), `${uid}\n`);
        assert.equal(left.get("/f"), files[row.inputs[0] ?? ""]);
        assert.equal(log.length, 1);
      }
      bench.owner.taken.length = 0;
    }
  });

  it("is told what it lacks: a user that is not there, a program that it may not run", async (t) => {
    await using bench = await openBench();
    const unknown = await runAs(t, bench, "no-such-user", sh("true"), { datumTries: 2 }, { "/a": "", "/b": "" });
    if (unknown === undefined) return;
    for (const { row } of unknown) {
      assert.deepEqual([row.state, row.reason, row.tries], [FAILED, "UNKNOWN_USER", 2]);
      assert.match(row.message, /transform.user "no-such-user": there is no user "no-such-user" in \/etc\/passwd/);
    }
    bench.owner.taken.length = 0;
    const missing = await runAs(t, bench, "54321", { cmd: ["no-such-program"] });
    assert.equal(missing?.[0]?.row.reason, "COMMAND_NOT_FOUND");
  });
});
