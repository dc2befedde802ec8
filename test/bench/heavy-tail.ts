import { api } from "@sheaf/proto";
import { createPipeline, putFiles } from "../kit/pipelines.ts";
import { allDatums, onCluster, processed } from "./jobs.ts";
import { median, type Row, spread } from "./row.ts";

const SHORT = 990;
const LONG = 10;
const LIMIT = 1.05;

/**
 * The long ones come last, when no estimate expects them. The bound: all work, as it was measured, over the workers; or the longest,
 * and what is before it.
 */
export async function heavyTail(_folder: string, runs: number): Promise<Row> {
  const ratios: number[] = [];
  const spans: number[] = [];
  await onCluster(async (_cluster, connection) => {
    const short = Array.from({ length: SHORT }, (_, i) => [`/a${String(i).padStart(4, "0")}`, "0.005"] as const);
    const long = Array.from({ length: LONG }, (_, i) => [`/z${i}`, "0.5"] as const);
    await putFiles(connection, "tail", new Map([...short, ...long]));
    for (let run = 0; run < runs; run++) {
      const name = `tail${run}`;
      await createPipeline(connection, { name, repo: "tail", glob: "/*", script: SLEEP, workers: 2 });
      const { seconds } = await processed(connection, name);
      const times = (await allDatums(connection, name)).map(({ ms }) => ms / 1_000);
      const total = times.reduce((sum, time) => sum + time, 0);
      const bound = Math.max(total / 2, Math.max(...times) + times.slice(0, SHORT).reduce((a, b) => a + b, 0) / 2);
      ratios.push(seconds / bound);
      spans.push(seconds);
      await connection.client(api.PipelineService).deletePipeline({ name });
    }
  });
  return {
    what: `heavy tail: ${SHORT} datums of 5 ms and, last, ${LONG} of 500 ms, 2 workers; from the first claim to the last commit`,
    ours: `${spread(spans)} s`,
    against: "the lower bound: all measured work over the workers",
    goal: `<= ${LIMIT} x`,
    figure: `${spread(ratios)} x`,
    reached: median(ratios) <= LIMIT,
  };
}

const SLEEP = `read t < "$SHEAF_INPUT" || :; sleep "$t"; : > "$SHEAF_OUT/done"`;
