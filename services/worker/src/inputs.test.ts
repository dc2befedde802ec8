// How inputs come to a command: as copies that it may destroy, as names alone, or when they are opened.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { api, store as stored } from "@sheaf/proto";
import { JOB, outcomesOf, specOf } from "./testing/job-kit.ts";
import { type Bench, openBench, PLACES } from "./testing/worker-kit.ts";

const sh = (script: string) => ({ cmd: ["sh", "-c", script] });
const { SUCCESS } = api.DatumState;
const MIB = 1024 * 1024;

/** One datum with all files, whose input has these fields. */
const whole = (script: string, pfs: Partial<api.PfsInput>, more: Partial<api.PipelineSpec> = {}) =>
  specOf(sh(script), { input: { pfs: { name: "in", repo: "in", glob: "/", ...pfs } } as api.Input, ...more });

/** Runs the one datum of the spec. */
async function runOne({ owner, store, plan }: Bench, spec: ReturnType<typeof specOf>, files: Record<string, string>) {
  const { input } = await plan(spec, files);
  owner.give({ job: JOB, kind: stored.WorkKind.PROCESS, n: 1, claimSize: 1, input });
  await owner.complete();
  const [outcome] = await outcomesOf(store, owner.taken);
  assert.ok(outcome);
  return outcome;
}

const packsOf = (bench: Bench) => {
  const folder = join(bench.dir, "store/packs");
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
};

for (const { where, pod } of PLACES) {
  describe(`inputs, with commands ${where}`, () => {
    it("of a datum that has ended are gone, whatever the one before it does: its next try may need their room", async () => {
      await using bench = await openBench({ pod, slots: 2 });
      const mark = join(bench.dir, "ended");
      const script = `case $SHEAF_INPUT in
      */0) while [ ! -e ${mark} ] || ls "$SHEAF_OUT"/../../../*/pfs/in/1; do sleep 0.05; done;;
      */1) : >${mark};; esac`;
      const spec = specOf(sh(script), { datumTries: 1, datumTimeout: { seconds: 10n, nanos: 0 } as never });
      const outcomes = await bench.run(spec, { "/0": "0", "/1": "1" }, 2);
      assert.deepEqual(
        outcomes.map(({ row }) => row.reason),
        ["", ""],
      );
    });

    it("are copies: whatever a command does to them, the store's bytes and the next try and datum see the right ones", async () => {
      await using bench = await openBench({ pod });
      const damages = [
        'chmod 666 "$SHEAF_INPUT"; echo bad >"$SHEAF_INPUT"',
        'chmod 666 "$SHEAF_INPUT"; : >"$SHEAF_INPUT"',
        'ln "$SHEAF_INPUT" "$KEEP/$(basename "$SHEAF_INPUT")"; chmod 666 "$SHEAF_INPUT"; echo more >>"$KEEP/$(basename "$SHEAF_INPUT")"',
        'mv "$SHEAF_INPUT" "$SHEAF_INPUT.away"; echo bad >"$SHEAF_INPUT"',
        'rm "$SHEAF_INPUT"; ln -s /etc/passwd "$SHEAF_INPUT"',
        "chmod 777 pfs/in; rm -rf pfs/in/*",
        "rm -rf pfs/in; ln -s /etc pfs/in",
      ];
      const files = Object.fromEntries(damages.map((_, i) => [`/f${i}`, `content of ${i}`]));
      // The first try damages, and fails; the second sees what it gets.
      const script = `case $SHEAF_INPUT in ${damages.map((damage, i) => `*/f${i}) damage='${damage}';;`).join(" ")} esac
      if mkdir "$KEEP/tried-$(basename "$SHEAF_INPUT")" 2>/dev/null; then eval "$damage"; exit 1; fi
      cat "$SHEAF_INPUT" >"$SHEAF_OUT/seen-$(basename "$SHEAF_INPUT")"; eval "$damage"; true`;
      const spec = specOf({ ...sh(script), env: { KEEP: bench.dir } });
      await bench.plan(spec, files);
      const before = packsOf(bench);
      const outcomes = await bench.run(spec, files, damages.length);
      for (const [i, { row, files: left }] of outcomes.entries()) {
        assert.equal(row.state, SUCCESS, `${damages[i]}: ${row.message}`);
        assert.equal(row.tries, 2);
        assert.deepEqual([...left], [[`/seen-f${i}`, `content of ${i}`]]);
      }
      const after = packsOf(bench);
      for (const [name, bytes] of before) assert.ok(after.get(name)?.equals(bytes));
    });

    it("with empty_files are names alone, and what is linked to them in the output has their content: no byte is moved", async () => {
      await using bench = await openBench({ pod });
      const shuffle = `find pfs/in -type f -size +0 | grep . && exit 3
      for file in pfs/in/*/*; do mkdir -p pfs/out/\${file##*/}; ln -s "$PWD/$file" "pfs/out/\${file##*/}/$(basename "$(dirname "$file")")"; done
      ln -s ../in/apples pfs/out/all`;
      const files = {
        "/apples/cost": "1 apple",
        "/apples/img.sh": "A",
        "/mangos/cost": "2 mangos",
        "/mangos/img.sh": "M",
      };
      const { row, files: left } = await runOne(bench, whole(shuffle, { emptyFiles: true }), files);
      assert.equal(row.state, SUCCESS, row.message);
      assert.deepEqual(Object.fromEntries(left), {
        "/cost/apples": "1 apple",
        "/cost/mangos": "2 mangos",
        "/img.sh/apples": "A",
        "/img.sh/mangos": "M",
        "/all/cost": "1 apple",
        "/all/img.sh": "A",
      });
      assert.equal(row.stats?.downloadBytes, 0n);
      assert.equal(row.stats?.uploadBytes, 0n);
    });

    it("that are only names cannot be added up", async () => {
      await using bench = await openBench({ pod });
      const merge = { strategy: api.MergeStrategy.SUM } as api.MergeSpec;
      const spec = whole("ln -s ../in/f pfs/out/f", { emptyFiles: true }, { merge, datumTries: 1 });
      const { row } = await runOne(bench, spec, { "/f": "a\t1\n" });
      assert.equal(row.reason, "NOT_A_SUM");
      assert.match(row.message, /link to an input whose content is not here/);
    });
  });
}

for (const { where, pod } of PLACES) {
  describe(`lazy inputs, with commands ${where}`, () => {
    const large = Array.from({ length: 40 * MIB }, (_, i) => (i % 64 === 63 ? "\n" : "x")).join("");

    for (const [what, script, files, expected] of [
      ["are fed when they are opened", "cat pfs/in/a pfs/in/b >pfs/out/x", { "/a": "1", "/b": "2" }, { "/x": "12" }],
      ["cost nothing when nobody opens them", "ls pfs/in >pfs/out/x", { "/a": "1", "/b": "2" }, { "/x": "a\nb\n" }],
      ["may be empty", "wc -c <pfs/in/a >pfs/out/x", { "/a": "" }, { "/x": "0\n" }],
      [
        "may be opened again, from the begin",
        "cat pfs/in/a pfs/in/a >pfs/out/x; cat pfs/in/a >>pfs/out/x",
        { "/a": "12" },
        { "/x": "121212" },
      ],
      [
        "may be larger than a pipe, and be read by turns",
        `exec 3<pfs/in/a 4<pfs/in/b; cmp /dev/fd/3 /dev/fd/4 && cat pfs/in/a | wc -c >pfs/out/x`,
        { "/a": large, "/b": large },
        { "/x": `${40 * MIB}\n` },
      ],
      [
        "may be left before their end",
        "head -c 3 pfs/in/a >pfs/out/x; head -c 2 pfs/in/a >>pfs/out/x",
        { "/a": large },
        { "/x": "xxxxx" },
      ],
      [
        "may be removed, and replaced by what is none",
        "rm pfs/in/a; echo mine >pfs/in/a; rm pfs/in/b; cat pfs/in/a pfs/in/c >pfs/out/x",
        { "/a": "1", "/b": "2", "/c": "3" },
        { "/x": "mine\n3" },
      ],
      [
        "are stored by a link without being read",
        "ln -s ../in/a pfs/out/x; ln -s /pfs/in/b pfs/out/y",
        { "/a": "1", "/b.sh": "2", "/b": "3" },
        { "/x": "1", "/y": "3" },
      ],
    ] as const) {
      it(what, async () => {
        await using bench = await openBench({ pod });
        const { row, files: left } = await runOne(bench, whole(script, { lazy: true }), files);
        assert.equal(row.state, SUCCESS, row.message);
        assert.deepEqual(Object.fromEntries(left), expected);
        assert.equal(row.stats?.downloadBytes, 0n);
      });
    }

    it("do not hold up a slot when the command ends, or is killed, while it waits for nothing or for all", async () => {
      await using bench = await openBench({ pod });
      const script = `case $SHEAF_INPUT in
      *0) cat "$SHEAF_INPUT" >/dev/null & exit 0;;
      *1) exec 3<"$SHEAF_INPUT"; sleep 100;;
      *) cat "$SHEAF_INPUT" >"$SHEAF_OUT/$(basename "$SHEAF_INPUT")";; esac`;
      const spec = whole(
        script,
        { lazy: true, glob: "/*" },
        { datumTries: 1, datumTimeout: { seconds: 0n, nanos: 3e8 } as never },
      );
      const outcomes = await bench.run(spec, { "/0": large, "/1": large, "/2": "2", "/3": "3" }, 4);
      assert.deepEqual(
        outcomes.map(({ row, files }) => row.reason || [...files.values()].join()),
        ["", "TIMEOUT", "2", "3"],
      );
    });

    it("are at most 10,000 in a datum", async () => {
      await using bench = await openBench({ pod });
      const files = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`/${i}`, ""]));
      const { row } = await runOne(bench, whole("true", { lazy: true }, { datumTries: 1 }), files);
      assert.equal(row.reason, "TOO_MANY_LAZY_FILES");
    });
  });
}
