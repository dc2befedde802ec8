// What a worker takes over from the runs of an earlier job, and what it runs all the same.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  commitOfShards,
  getMessage,
  mergeShard,
  objectOf,
  openRun,
  packKey,
  putMessage,
  RunBuilder,
  readCommit,
  readPlanDatums,
  readRunRows,
} from "@sheaf/files";
import { api, type dispatch, store } from "@sheaf/proto";
import type { TakenCommit } from "./testing/fake-owner.ts";
import {
  commitOf,
  type DatumOutcome,
  inputOf,
  outcomesOf,
  type SpecInit,
  specOf,
  textOf,
  workOf,
} from "./testing/job-kit.ts";
import { type Bench, openBench } from "./testing/worker-kit.ts";

const { SUCCESS, SKIPPED, FAILED, RECOVERED } = api.DatumState;
type Files = Readonly<Record<string, string>>;

interface Ran {
  readonly plan: store.PlanManifest;
  readonly taken: readonly TakenCommit[];
  readonly outcomes: readonly DatumOutcome[];
  readonly earlier: store.EarlierJob;
}

/** Notes the files that are run, in a file beside the bench's scratch. */
const noting = (bench: Bench, work: string) => ({
  cmd: ["sh", "-c", `echo "\${SHEAF_INPUT##*/}" >> ${join(bench.dir, "notes")}; ${work}`],
});

function notes(bench: Bench): string[] {
  const file = join(bench.dir, "notes");
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  writeFileSync(file, "");
  return lines.sort();
}

/** Plans and processes a job over the files. */
async function runJob(
  bench: Bench,
  job: string,
  spec: SpecInit,
  files: Files,
  earlier: store.EarlierJob[],
  claimSize = 10,
): Promise<Ran> {
  const { owner, store: source } = bench;
  const more = { job, inputs: inputOf(await commitOf(source, files)), earlier };
  owner.give({ job, kind: store.WorkKind.PLAN, n: 1, claimSize: 1, input: await workOf(source, spec, more) });
  await owner.complete();
  const plan = objectOf((owner.taken[0] as TakenCommit).result);
  const manifest = await getMessage(source, store.PlanManifestSchema, plan);
  const n = Number(manifest.datums);
  const input = await workOf(source, spec, { ...more, plan });
  owner.give({ job, kind: store.WorkKind.PROCESS, n, claimSize, input });
  await owner.complete();
  const taken = owner.taken.toSorted((a, b) => a.from - b.from);
  return {
    plan: manifest,
    taken,
    outcomes: await outcomesOf(source, taken),
    earlier: await earlierOf(bench, job, taken),
  };
}

type Taken = Pick<TakenCommit, "from" | "to" | "result">;

const runsOf = (taken: readonly Taken[]) =>
  taken.map(({ from, to, result }) =>
    create(store.RunRefSchema, { from: BigInt(from), to: BigInt(to), table: result }),
  );

async function earlierOf(bench: Bench, job: string, taken: readonly Taken[]) {
  const runs = runsOf(taken);
  const list = create(store.RunListSchema, { version: 1, runs });
  return create(store.EarlierJobSchema, {
    job,
    runs: await putMessage(bench.store, "runlists", store.RunListSchema, list),
  });
}

const states = ({ outcomes }: Ran) => outcomes.map(({ row }) => row.state);
const contents = ({ outcomes }: Ran) => outcomes.map(({ files }) => Object.fromEntries(files));
const sum = (taken: readonly TakenCommit[], field: "succeeded" | "skipped" | "failed") =>
  taken.reduce((total, { totals }) => total + Number(totals[field]), 0);

const WORK = 'cat "$SHEAF_INPUT" >"$SHEAF_OUT/all"; cp "$SHEAF_INPUT" "$SHEAF_OUT"; echo "saw $(cat "$SHEAF_INPUT")"';

describe("a worker skips", () => {
  it("what an earlier job has done, with its files and its log, and counts it apart", async () => {
    await using bench = await openBench();
    const spec = specOf(noting(bench, WORK));
    const first = await runJob(bench, "one", spec, { "/a": "1", "/b": "2", "/c": "3" }, []);
    assert.deepEqual(states(first), [SUCCESS, SUCCESS, SUCCESS]);
    assert.deepEqual(notes(bench), ["a", "b", "c"]);

    // Its place is another: a is gone, b has changed, d is new.
    const second = await runJob(bench, "two", spec, { "/b": "2 new", "/c": "3", "/d": "4" }, [first.earlier]);
    assert.deepEqual(states(second), [SUCCESS, SKIPPED, SUCCESS]);
    assert.deepEqual(notes(bench), ["b", "d"]);
    assert.deepEqual(contents(second), [
      { "/all": "2 new", "/b": "2 new" },
      { "/all": "3", "/c": "3" },
      { "/all": "4", "/d": "4" },
    ]);
    const { row, log } = second.outcomes[1] as DatumOutcome;
    assert.deepEqual([row.index, row.tries, row.started, row.inputs], [1n, 0, undefined, ["/c"]]);
    assert.deepEqual(
      log.map(({ text }) => Buffer.from(text).toString()),
      ["saw 3"],
    );
    assert.deepEqual([sum(second.taken, "succeeded"), sum(second.taken, "skipped")], [2, 1]);

    // From the run that took it over: one job back is enough.
    const third = await runJob(bench, "three", spec, { "/c": "3" }, [second.earlier]);
    assert.deepEqual([states(third), contents(third)], [[SKIPPED], [{ "/all": "3", "/c": "3" }]]);
    assert.deepEqual(notes(bench), []);
  });

  it("nothing that failed, nor what a job of another command has done; what was recovered it takes as it is", async () => {
    await using bench = await openBench();
    const spec = specOf(noting(bench, 'test "$(cat "$SHEAF_INPUT")" != bad'), { datumTries: 1 });
    const files = { "/a": "1", "/b": "bad", "/c": "3" };
    const first = await runJob(bench, "one", spec, files, []);
    assert.deepEqual(states(first), [SUCCESS, FAILED, SUCCESS]);
    const builder = new RunBuilder({ job: "one", attempt: "x", worker: "w" }, undefined);
    for (const { row } of first.outcomes)
      builder.addDatum(create(store.DatumRowSchema, { ...row, state: row.state === FAILED ? RECOVERED : row.state }));
    const recovered = await earlierOf(bench, "one", [
      { from: 0, to: 3, result: (await builder.finish(bench.store)).ref },
    ]);
    notes(bench);
    assert.deepEqual(states(await runJob(bench, "two", spec, files, [first.earlier])), [SKIPPED, FAILED, SKIPPED]);
    assert.deepEqual(notes(bench), ["b"]);
    assert.deepEqual(states(await runJob(bench, "two", spec, files, [recovered])), [SKIPPED, SKIPPED, SKIPPED]);
    assert.deepEqual(notes(bench), []);
    const other = await runJob(bench, "three", specOf(noting(bench, "true")), files, [first.earlier]);
    assert.deepEqual(states(other), [SUCCESS, SUCCESS, SUCCESS]);
  });

  it("from a job with gaps, and looks in the one before for what is not there", async () => {
    await using bench = await openBench();
    const spec = specOf(noting(bench, WORK));
    const files = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`/${i}`, `${i}`]));
    const whole = await runJob(bench, "one", spec, files, [], 3);
    const part = await earlierOf(bench, "two", whole.taken.slice(1, 2));
    notes(bench);
    const second = await runJob(bench, "three", spec, files, [part]);
    assert.deepEqual(states(second), [SUCCESS, SUCCESS, SUCCESS, SKIPPED, SKIPPED, SKIPPED, SUCCESS, SUCCESS, SUCCESS]);
    const third = await runJob(bench, "four", spec, files, [part, whole.earlier]);
    assert.deepEqual(new Set(states(third)), new Set([SKIPPED]));
    assert.deepEqual(contents(third), contents(whole));
  });

  it("lines under sum, which a merge adds up", async () => {
    await using bench = await openBench();
    const merge = { strategy: api.MergeStrategy.SUM } as api.MergeSpec;
    const spec = specOf(noting(bench, 'cp "$SHEAF_INPUT" "$SHEAF_OUT/counts"'), { merge });
    const first = await runJob(bench, "one", spec, { "/a": "x\t1\n", "/b": "x\t2\ny\t1\n" }, []);
    const second = await runJob(bench, "two", spec, { "/a": "x\t1\n", "/b": "x\t2\ny\t1\n", "/c": "z\t5\n" }, [
      first.earlier,
    ]);
    assert.deepEqual(states(second), [SKIPPED, SKIPPED, SUCCESS]);
    for (const { result } of second.taken) {
      const { footer } = await openRun(bench.store, result);
      assert.deepEqual(
        footer.combined.map(({ path }) => path),
        ["/counts"],
      );
    }
    assert.deepEqual(contents(second), [
      { "/counts": "x\t1\n" },
      { "/counts": "x\t2\ny\t1\n" },
      { "/counts": "z\t5\n" },
    ]);
  });

  it("and adds up right what stands behind a datum that runs: the lines are read back", async () => {
    await using bench = await openBench({ slots: 2 });
    const merge = { strategy: api.MergeStrategy.SUM } as api.MergeSpec;
    const go = join(bench.dir, "go");
    const work = `case $(cat "$SHEAF_INPUT") in new*) until [ -e ${go} ]; do sleep 0.05; done; esac; cp "$SHEAF_INPUT" "$SHEAF_OUT/counts"`;
    const spec = specOf(noting(bench, work), { merge });
    const old = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`/${i}`, `x\t${i}\n`]));
    const first = await runJob(bench, "one", spec, old, []);
    notes(bench);
    const ran = runJob(bench, "two", spec, { ...old, "/0": "new\t1\n" }, [first.earlier]);
    const isAllButOne = ({ claims }: dispatch.Beat) => claims.some(({ finished }) => finished === 8n);
    await bench.owner.until(() => bench.owner.heardOf("beat").some(isAllButOne));
    writeFileSync(go, "");
    const second = await ran;
    assert.deepEqual(states(second), [SUCCESS, ...Array.from({ length: 8 }, () => SKIPPED)]);
    assert.deepEqual(contents(second), contents(first).with(0, { "/counts": "new\t1\n" }));
    const shard = await mergeShard(bench.store, runsOf(second.taken), merge, { from: undefined, to: undefined });
    const commit = await commitOfShards(bench.store, [shard]);
    assert.ok(commit.kind === "commit");
    for await (const entry of readCommit(bench.store, commit.ref)) {
      assert.equal(await textOf(bench.store, entry), "new\t1\nx\t36\n");
    }
  });

  it("and cuts again what was refused in part: the lines are read back", async () => {
    await using bench = await openBench();
    const merge = { strategy: api.MergeStrategy.SUM } as api.MergeSpec;
    const spec = specOf(noting(bench, 'cp "$SHEAF_INPUT" "$SHEAF_OUT/counts"'), { merge });
    const files = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`/${i}`, `x\t${i}\n`]));
    const first = await runJob(bench, "one", spec, files, []);
    notes(bench);
    // Somebody else was first with datum 4.
    bench.owner.onCommit = ({ from, to }, owner) => {
      if (from <= 4n && to > 4n && !owner.isComplete) owner.markDone(4);
      return undefined;
    };
    const second = await runJob(bench, "two", spec, files, [first.earlier]);
    assert.deepEqual(
      second.outcomes.map(({ row }) => Number(row.index)),
      [0, 1, 2, 3, 5, 6, 7, 8, 9],
    );
    assert.deepEqual(contents(second), contents(first).toSpliced(4, 1));
    assert.deepEqual(notes(bench), []);
  });

  it("nothing of what is gone or damaged: run list, run or pack", async () => {
    const files = { "/a": "1", "/b": "2" };
    const spoilt: readonly [string, (bench: Bench, first: Ran) => Promise<unknown>][] = [
      ["a run list that is gone", async ({ store: source }, { earlier }) => source.delete(earlier.runs?.key ?? "")],
      [
        "a run that is gone",
        async ({ store: source }, { taken }) => source.delete(objectOf((taken[0] as TakenCommit).result).key),
      ],
      [
        "a run that is cut short",
        async ({ dir }, { taken }) => {
          const file = join(dir, "store", objectOf((taken[0] as TakenCommit).result).key);
          writeFileSync(file, readFileSync(file).subarray(0, 10));
        },
      ],
      [
        "a pack that is gone",
        async ({ store: source }, { taken }) => {
          const { footer } = await openRun(source, (taken[0] as TakenCommit).result);
          for (const pack of footer.packs) await source.delete(packKey(pack));
        },
      ],
    ];
    for (const [name, spoil] of spoilt) {
      await using bench = await openBench();
      // What the command writes differs from what it reads: the packs of the input stay.
      const spec = specOf(noting(bench, 'echo "$(cat "$SHEAF_INPUT") out" >"$SHEAF_OUT/x"'));
      const first = await runJob(bench, "one", spec, files, []);
      notes(bench);
      await spoil(bench, first);
      const second = await runJob(bench, "two", spec, files, [first.earlier]);
      assert.deepEqual(states(second), [SUCCESS, SUCCESS], name);
      assert.deepEqual(contents(second), [{ "/x": "1 out\n" }, { "/x": "2 out\n" }], name);
    }
  });

  it("nothing by a place that another id stands at", async () => {
    await using bench = await openBench();
    const spec = specOf(noting(bench, WORK));
    const files = { "/a": "1", "/b": "2" };
    const first = await runJob(bench, "one", spec, files, []);
    const run = await openRun(bench.store, (first.taken[0] as TakenCommit).result);
    const builder = new RunBuilder({ job: "one", attempt: "x", worker: "w" }, undefined);
    // The plan compares 64 bits of an id, and these agree.
    for await (const row of readRunRows(run))
      builder.addDatum(create(store.DatumRowSchema, { ...row, id: `${row.id.slice(0, 16)}${"0".repeat(48)}` }));
    const forged = await earlierOf(bench, "one", [{ from: 0, to: 2, result: (await builder.finish(bench.store)).ref }]);
    const second = await runJob(bench, "two", spec, files, [forged]);
    for await (const datum of readPlanDatums(bench.store, second.plan, 0n, 2n))
      assert.ok(datum.earlier, "the plan has found a place");
    assert.deepEqual(states(second), [SUCCESS, SUCCESS]);
  });
});
