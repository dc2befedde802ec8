/**
 * How long it takes to decide all pools of a cluster once, in CPU time of the thread. Run by hand:
 * node services/master/src/pools/decide.bench.ts [pipelines] [workers of each] [passes]
 */
import { seededRandom } from "@sheaf/runtime";
import { decideAll, IDLE_MS, type PoolView, type WorkerView } from "./decide.ts";
import { demandOf, type JobWork } from "./demand.ts";

const PIPELINES = Number(process.argv[2] ?? 200);
const WORKERS = Number(process.argv[3] ?? 1_000);
const PASSES = Number(process.argv[4] ?? 100);

const random = seededRandom(1);
const NOW_MS = 1_000_000_000_000;

function pool(): PoolView {
  const workers = Array.from({ length: WORKERS }, (): WorkerView => {
    const claims = random.int(4) === 0 ? 0 : 1;
    const told = random.int(50) === 0;
    return {
      id: Buffer.from(random.bytes(16)).toString("hex"),
      ...{ ours: true, connected: random.int(20) > 0, outdated: false, trouble: undefined, claims },
      ...{ leaving: told, toldMs: told ? NOW_MS : undefined },
      ...{ idleMs: NOW_MS - random.int(2 * IDLE_MS), sinceMs: NOW_MS - 1_000 },
    };
  });
  const works = Array.from({ length: 4 }, (_, i): JobWork => {
    const left = random.int(WORKERS);
    return { job: `j${i}`, kind: "process", left, worth: left, holders: [] };
  });
  const autoscaling = random.int(4) > 0;
  return { limit: WORKERS, autoscaling, demand: demandOf(works, 0), workers, failures: null, nowMs: NOW_MS };
}

const times: number[] = [];
for (let i = 0; i < PASSES; i++) {
  const pools = new Map(Array.from({ length: PIPELINES }, (_, p) => [`p${p}`, pool()]));
  const begun = process.threadCpuUsage();
  decideAll(pools, Math.floor(0.9 * PIPELINES * WORKERS));
  const { user, system } = process.threadCpuUsage(begun);
  times.push((user + system) / 1_000);
}
times.sort((a, b) => a - b);
const at = (share: number) => (times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0).toFixed(1);
console.log(
  `${PIPELINES} pipelines, ${WORKERS} workers each: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms of ${PASSES} passes`,
);
