/** A user who stops a job, through an API process that any moment can delay: the job fence decides between this and the publish. */
import { put, unchanged } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import type { Cluster } from "./cluster.ts";
import { isTerminal, JobState, moved, PIPELINE, readJob } from "./jobs.ts";
import { Process } from "./process.ts";
import { SimEtcd } from "./sim-etcd.ts";

const TRIES_MAX = 10;

export function startUser({ sim, shape }: Cluster): void {
  if (!sim.faults.has("stop-job")) return;
  const process = new Process(sim.world, "user", sim.fork(), { hasPromises: true, wallSkewMs: 0 });
  const { world, server, faults, history } = sim;
  const etcd = new SimEtcd({ world, server, faults, history, onSent: () => {} }, process);
  const plan = faults.pick(shape.plans);
  if (plan === undefined) return;
  process.after(faults.between(0, 5_000), () => void stop());

  async function stop(): Promise<void> {
    const key = sim.keys.job(PIPELINE, plan?.id ?? "");
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      try {
        const kept = await readJob(etcd, key);
        if (isTerminal(kept.record.state)) return;
        if (faults.chance(0.7)) await process.clock.sleep(faults.between(1, 1_500));
        const ops = [put(key, state.JobRecordSchema, moved(kept, JobState.STOPPED))];
        const outcome = await etcd.txn({ compare: [unchanged(kept)], then: ops });
        if (outcome.kind === "applied") return history.note("user", () => `has stopped ${key}`);
      } catch (error) {
        history.note("user", () => `cannot stop ${key}: ${error}`);
        await process.clock.sleep(100);
      }
    }
  }
}
