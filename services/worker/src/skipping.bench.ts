/**
 * How many datums a worker skips in a second: node services/worker/src/skipping.bench.ts [datums]
 *
 * One worker, a folder as its store, and a job of which every datum was done by an earlier one. Beside it the least that any way of
 * doing it costs: reading those runs and writing them again.
 */
import { create } from "@bufbuild/protobuf";
import {
  applyChanges,
  datumId,
  fileEntry,
  getMessage,
  objectOf,
  openRun,
  PackWriter,
  putMessage,
  RunBuilder,
  readRunFiles,
  readRunRows,
  workId,
} from "@sheaf/files";
import { api, store } from "@sheaf/proto";
import { inputOf, type SpecInit, specOf, workOf } from "./testing/job-kit.ts";
import { openBench } from "./testing/worker-kit.ts";

const RUN_DATUMS = 5_000;
const CLAIM = 20_000;
const n = Number(process.argv[2] ?? 200_000);
const pathOf = (i: number) => `/d${String(i).padStart(8, "0")}`;

for (const isSum of [false, true]) await measure(isSum);

async function measure(isSum: boolean): Promise<void> {
  await using bench = await openBench();
  const merge = { strategy: isSum ? api.MergeStrategy.SUM : api.MergeStrategy.CONCAT } as api.MergeSpec;
  const spec: SpecInit = specOf({ cmd: ["false"] }, { merge });
  const source = bench.store;
  const packs = new PackWriter(source);
  const puts = Array.from({ length: n }, (_, i) => fileEntry(pathOf(i), packs.add(Buffer.from(`k${i % 500}\t${i}\n`))));
  await packs.close();
  const work = create(store.WorkInputSchema, { pipeline: "edges", spec });
  const common = workId("edges", work.spec);
  const runs: store.RunRef[] = [];
  for (let from = 0; from < n; from += RUN_DATUMS) {
    const run = new RunBuilder({ job: "one", attempt: "x", worker: "w" }, merge);
    for (let i = from; i < Math.min(n, from + RUN_DATUMS); i++) {
      const file = puts[i] as store.FileEntry;
      const input = create(store.DatumInputSchema, { name: "in", path: file.path, files: [file] });
      const row = create(store.DatumRowSchema, {
        index: BigInt(i),
        id: datumId(common, [input]),
        state: api.DatumState.SUCCESS,
        inputs: [file.path],
        tries: 1,
      });
      const entry = { ...file, path: isSum ? "/counts" : file.path };
      run.addDatum(row, [entry], isSum ? [{ path: "/counts", lines: Buffer.from(`k${i % 500}\t${i}\n`) }] : []);
    }
    const { ref } = await run.finish(source);
    runs.push(
      create(store.RunRefSchema, { from: BigInt(from), to: BigInt(Math.min(n, from + RUN_DATUMS)), table: ref }),
    );
  }
  const list = await putMessage(
    source,
    "runlists",
    store.RunListSchema,
    create(store.RunListSchema, { version: 1, runs }),
  );
  const { ref: manifest } = await applyChanges(source, undefined, { puts });
  const more = {
    job: "two",
    inputs: inputOf(manifest),
    earlier: [create(store.EarlierJobSchema, { job: "one", runs: list })],
  };

  const planned = performance.now();
  bench.owner.give({
    job: "two",
    kind: store.WorkKind.PLAN,
    n: 1,
    claimSize: 1,
    input: await workOf(source, spec, more),
  });
  await bench.owner.complete();
  const planMs = performance.now() - planned;
  const plan = objectOf((bench.owner.taken[0] as { result: store.TableRef }).result);
  const { datums } = await getMessage(source, store.PlanManifestSchema, plan);

  const began = performance.now();
  const cpu = process.cpuUsage();
  const before = process.memoryUsage().rss;
  let peak = before;
  const sampling = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 50);
  const input = await workOf(source, spec, { ...more, plan });
  bench.owner.give({ job: "two", kind: store.WorkKind.PROCESS, n: Number(datums), claimSize: CLAIM, input });
  await bench.owner.complete();
  const ms = performance.now() - began;
  clearInterval(sampling);
  const { user, system } = process.cpuUsage(cpu);
  const skipped = bench.owner.taken.reduce((sum, { totals }) => sum + totals.skipped, 0n);
  const claimMs = bench.owner.taken.reduce((sum, { totals }) => sum + Number(totals.downloadMs), 0);

  const again = performance.now();
  for (const { table } of runs) {
    const run = await openRun(source, table as store.TableRef);
    const copy = new RunBuilder({ job: "copy", attempt: "x", worker: "w" }, undefined);
    const files = new Map<bigint, store.FileEntry>();
    for await (const file of readRunFiles(run)) files.set(file.datum, file);
    for await (const row of readRunRows(run)) copy.addDatum(row, [files.get(row.index) as store.FileEntry]);
    await copy.finish(source);
  }
  const leastMs = performance.now() - again;
  const rate = (time: number) => `${Math.round((n / time) * 1_000)} datums/s`;
  console.log(
    `${isSum ? "sum" : "concat"}: ${skipped} of ${n} skipped, ${rate(ms)} (cpu ${Math.round((user + system) / 1e3)} of ${Math.round(ms)} ms; told ${claimMs} ms); planned ${rate(planMs)}; runs read and written ${rate(leastMs)}; ${Math.round((peak - before) / 1e6)} MB more than before, ${bench.owner.taken.length} runs`,
  );
}
