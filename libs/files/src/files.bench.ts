/** Figures for the parts that cost most. Run by hand: node libs/files/src/files.bench.ts [sum|files|small] */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { api, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { localStore, type Store } from "@sheaf/storage";
import { mergeShard } from "./merge/merge-shard.ts";
import { commitOfShards } from "./merge/plan-merge.ts";
import { fileEntry } from "./pack/content.ts";
import { PackWriter } from "./pack/pack-writer.ts";
import { RunBuilder } from "./run/run-builder.ts";

const SPEC = create(api.MergeSpecSchema, {
  rules: [{ glob: "/sum*", strategy: api.MergeStrategy.SUM }],
});

async function timed<T>(what: string, count: number, unit: string, work: () => Promise<T>): Promise<T> {
  const start = systemClock.now();
  const result = await work();
  const seconds = (systemClock.now() - start) / 1000;
  const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
  console.log(
    `${what}: ${seconds.toFixed(2)} s, ${Math.round(count / seconds).toLocaleString("en")} ${unit}/s, RSS ${rss} MiB`,
  );
  return result;
}

async function mergeAll(target: Store, runs: readonly store.RunRef[]): Promise<void> {
  const outcome = await commitOfShards(target, [
    await mergeShard(target, runs, SPEC, { from: undefined, to: undefined }),
  ]);
  if (outcome.kind === "commit") console.log(`  ${outcome.manifest.files} files, ${outcome.manifest.bytes} bytes`);
}

/** `runs` runs of one datum with `lines` lines each; `shared`: all have the same keys, else none has. */
async function sumRuns(target: Store, runs: number, lines: number, shared: boolean): Promise<store.RunRef[]> {
  const refs: store.RunRef[] = [];
  for (let r = 0; r < runs; r++) {
    const text = Array.from(
      { length: lines },
      (_, i) => `w${(shared ? i : i * runs + r).toString(36)}word\t${i % 97}\n`,
    ).join("");
    const pack = new PackWriter(target);
    const entry = fileEntry("/sum", pack.add(Buffer.from(text)));
    await pack.close();
    const run = new RunBuilder({ job: "j", attempt: "a", worker: "w" }, SPEC);
    run.addDatum(
      create(store.DatumRowSchema, { index: BigInt(r) }),
      [entry],
      [{ path: "/sum", lines: Buffer.from(text) }],
    );
    refs.push(
      create(store.RunRefSchema, {
        from: BigInt(r),
        to: BigInt(r + 1),
        table: (await run.finish(target)).ref,
      }),
    );
  }
  return refs;
}

async function benchSum(target: Store): Promise<void> {
  for (const shared of [true, false]) {
    const what = shared ? "the same keys in all runs" : "all keys different";
    const runs = await timed(`write 100 runs x 100,000 lines, ${what}`, 1e7, "lines", () =>
      sumRuns(target, 100, 100_000, shared),
    );
    await timed(`merge them, ${what}`, 1e7, "lines", () => mergeAll(target, runs));
  }
}

async function benchFiles(target: Store): Promise<void> {
  const runs: store.RunRef[] = [];
  await timed("write 100 runs x 10,000 files of 100 bytes", 1e6, "files", async () => {
    for (let r = 0; r < 100; r++) {
      const pack = new PackWriter(target);
      const run = new RunBuilder({ job: "j", attempt: "a", worker: "w" }, SPEC);
      for (let i = 0; i < 10_000; i++) {
        const entry = fileEntry(`/dir/file-${i}-${r}.txt`, pack.add(Buffer.from(`content of ${r} ${i} `.repeat(5))));
        run.addDatum(
          create(store.DatumRowSchema, {
            index: BigInt(r * 10_000 + i),
            id: "x".repeat(64),
            state: 3,
          }),
          [entry],
        );
      }
      await pack.close();
      runs.push(create(store.RunRefSchema, { table: (await run.finish(target)).ref }));
    }
  });
  await timed("merge them", 1e6, "files", () => mergeAll(target, runs));
}

const folder = mkdtempSync(join(tmpdir(), "sheaf-bench-"));
const target = localStore(folder);
try {
  if (process.argv[2] !== "files") await benchSum(target);
  if (process.argv[2] !== "sum") await benchFiles(target);
} finally {
  await target.close();
  rmSync(folder, { recursive: true });
}
