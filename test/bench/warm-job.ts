import { TestCluster } from "../kit/cluster.ts";
import { createPipeline, newestJob, putFiles, waitJob } from "../kit/pipelines.ts";
import { median, type Row, spread } from "./row.ts";

const LIMIT_MS = 300;
const JOBS_PER_RUN = 5;

/** From a commit to the published result of the job that it makes, with workers that wait. */
export async function warmJob(_folder: string, runs: number): Promise<Row> {
  const cluster = await TestCluster.start({}, true);
  const connection = cluster.connection();
  const times: number[] = [];
  try {
    await putFiles(connection, "in", new Map([["/a", "0"]]));
    const script = `cp "$SHEAF_INPUT" "$SHEAF_OUT/a"`;
    await createPipeline(connection, { name: "one", repo: "in", glob: "/a", script });
    await waitJob(connection, "one");
    for (let run = 1; run <= runs * JOBS_PER_RUN; run++) {
      const commit = await putFiles(connection, "in", new Map([["/a", `${run}`]]));
      const begun = performance.now();
      while ((await newestJob(connection, "one")).inputs[0]?.commit !== commit.id);
      await waitJob(connection, "one");
      times.push(performance.now() - begun);
    }
  } finally {
    connection.close();
    await cluster.stop();
  }
  return {
    what: "one-datum job on a warm cluster, from commit to published result",
    ours: `p50 ${spread(times, 0)} ms`,
    against: "",
    goal: `<= ${LIMIT_MS} ms`,
    figure: `${median(times).toFixed(0)} ms`,
    reached: median(times) <= LIMIT_MS,
  };
}
