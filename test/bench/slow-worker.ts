import { join } from "node:path";
import { api } from "@sheaf/proto";
import { createPipeline, putFiles } from "../kit/pipelines.ts";
import { allDatums, onCluster, processed } from "./jobs.ts";
import { median, type Row, spread } from "./row.ts";

const DATUMS = 600;
const LIMIT = 1.15;

/** The worker that comes first makes the file, and is ten times slower from then on. */
const script = (mark: string) => `
  me=\${SHEAF_OUT%/datums/*}
  (set -C; echo "$me" > ${mark}) 2> /dev/null || :
  read slow < ${mark}
  if [ "$me" = "$slow" ]; then sleep 0.5; else sleep 0.05; fi
  : > "$SHEAF_OUT/done"`;

/** The ideal: every worker busy to the end, each at its own measured pace. */
export async function slowWorker(_folder: string, runs: number): Promise<Row> {
  const ratios: number[] = [];
  const spans: number[] = [];
  await onCluster(async (cluster, connection) => {
    await putFiles(connection, "many", new Map(Array.from({ length: DATUMS }, (_, i) => [`/${i}`, "x"])));
    for (let run = 0; run < runs; run++) {
      const name = `slow${run}`;
      const mark = join(cluster.folder, name);
      await createPipeline(connection, { name, repo: "many", glob: "/*", script: script(mark), workers: 4 });
      const { seconds } = await processed(connection, name);
      const paces = new Map<string, { ms: number; count: number }>();
      for (const { worker, ms } of await allDatums(connection, name)) {
        const pace = paces.get(worker) ?? { ms: 0, count: 0 };
        paces.set(worker, { ms: pace.ms + ms, count: pace.count + 1 });
      }
      const perSecond = [...paces.values()].reduce((sum, { ms, count }) => sum + (count / ms) * 1_000, 0);
      ratios.push(seconds / (DATUMS / perSecond));
      spans.push(seconds);
      await connection.client(api.PipelineService).deletePipeline({ name });
    }
  });
  return {
    what: `one worker 10 x slower than three others, ${DATUMS} datums of 50 ms; from the first claim to the last commit`,
    ours: `${spread(spans)} s`,
    against: "the ideal: every worker busy to the end at its own pace",
    goal: `<= ${LIMIT} x`,
    figure: `${spread(ratios)} x`,
    reached: median(ratios) <= LIMIT,
  };
}
