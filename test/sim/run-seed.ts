/** One history, from its seed: faults for a while, then a healed world in which everything must finish, then a clean end. */
import { put } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import { JobChecks } from "./checks/job-checks.ts";
import { MemoryChecks } from "./checks/memory-checks.ts";
import { Cluster, type Shape } from "./cluster.ts";
import { type JobPlan, JobState, newJob, PIPELINE, stateName } from "./jobs.ts";
import { startNemesis } from "./nemesis.ts";
import { Process } from "./process.ts";
import { Sim, type Violation } from "./sim.ts";
import { TIMING } from "./timing.ts";
import { startUser } from "./user.ts";

export interface Result {
  readonly seed: number;
  /** What was broken first; null: nothing. */
  readonly violation: Violation | null;
  readonly events: number;
  /** Virtual milliseconds. */
  readonly ms: number;
  /** Of all that happened: the same for the same seed. */
  readonly hash: number;
  readonly faults: readonly string[];
  /** Empty unless the history was to be told. */
  readonly history: string;
  /** How the jobs ended. */
  readonly ends: readonly string[];
}

/** A history that takes more events than this goes round in circles. */
const EVENTS_MAX = 100_000;
/** Within so long after the last fault everything is done, and so long for each index: one slow worker may be all there is. */
const LIVENESS_MS = 60_000;
const LIVENESS_MS_PER_INDEX = 3_000;

export async function runSeed(seed: number, isTold = false): Promise<Result> {
  const sim = new Sim(seed, isTold);
  const cluster = new Cluster(sim, shapeOf(sim));
  const jobs = new JobChecks(sim, cluster.ledgers);
  const memory = new MemoryChecks(sim, cluster.ledgers);
  const { world, faults } = sim;
  sim.history.note("world", () => `${JSON.stringify(cluster.shape)}, faults: ${[...faults.on].join(", ")}`);
  world.onTaken = () => {
    for (const owner of cluster.owners) memory.check(owner);
  };
  createJobs(sim, cluster.shape.plans);
  cluster.start();
  startUser(cluster);
  startNemesis(cluster);

  const isBroken = () => {
    if (world.taken > EVENTS_MAX) sim.violated("I7", `more than ${EVENTS_MAX} events in ${world.now} ms`);
    return sim.violations.length > 0;
  };
  const onUnhandled = (error: unknown) =>
    sim.violated("I15", `nobody handles ${error instanceof Error ? error.stack : error}`);
  process.on("unhandledRejection", onUnhandled);
  try {
    await run(cluster, jobs, isBroken);
  } finally {
    process.off("unhandledRejection", onUnhandled);
  }
  return {
    seed,
    violation: sim.violations[0] ?? null,
    events: world.taken,
    ms: world.now,
    hash: world.hash,
    faults: [...faults.on],
    history: sim.history.toString(),
    ends: [...jobs.states.values()].map(stateName),
  };
}

async function run(cluster: Cluster, jobs: JobChecks, isBroken: () => boolean): Promise<void> {
  const { sim } = cluster;
  const { world, faults } = sim;
  await world.run(faults.between(1_000, 12_000), isBroken);
  heal(cluster);
  // A write that is still on its way may leave something for its owner to clean up.
  const isStill = () => sim.server.onTheWay === 0 && [...cluster.owners].every(({ etcd }) => etcd.isQuiet);
  const isClean = () => jobs.areOver && isStill() && ledgerKeys(cluster).length === 0;
  const healedAt = world.now;
  const indexes = cluster.shape.plans.reduce((sum, { datums, shards }) => sum + datums + shards, 0);
  const isLate = () => world.now - healedAt > LIVENESS_MS + LIVENESS_MS_PER_INDEX * indexes;
  await world.run(Number.POSITIVE_INFINITY, () => isBroken() || isClean() || isLate());
  const late = world.now - healedAt;
  if (!isBroken() && !isClean())
    sim.violated("I7", `not finished ${late} ms after the last fault: ${open(jobs, cluster)}`);
  if (!isBroken()) await endCleanly(cluster);
}

function shapeOf(sim: Sim): Shape {
  const { random } = sim;
  const plans: JobPlan[] = Array.from({ length: random.float() < 0.75 ? 1 : 2 }, (_, i) => ({
    id: `job${i + 1}`,
    datums: 1 + random.int(30),
    shards: 1 + random.int(3),
    giveUpAfterFailed: random.float() < 0.5 ? 1 : 1_000,
    speculation: random.float() < 0.7,
  }));
  return { replicas: { master: 2, merge: 1 + random.int(2) }, workers: 1 + random.int(4), plans };
}

function createJobs(sim: Sim, plans: readonly JobPlan[]): void {
  const process = new Process(sim.world, "creator", sim.random, { hasPromises: false, wallSkewMs: 0 });
  for (const { id } of plans) {
    const then = [put(sim.keys.job(PIPELINE, id), state.JobRecordSchema, newJob(JobState.PROCESSING))];
    sim.server.apply({ process, txn: { compare: [], then }, sentAt: 0n, answer: "applied" });
  }
}

function heal(cluster: Cluster): void {
  const { faults, server, history } = cluster.sim;
  history.note("world", () => "is healed");
  faults.heal();
  server.down = false;
  cluster.resumeAll();
}

/** Keys that are left of ledgers. */
function ledgerKeys({ sim }: Cluster): string[] {
  return sim.server.model.listed(sim.keys.allLedgers()).kvs.map(({ key }) => key);
}

function open(jobs: JobChecks, { ledgers }: Cluster): string {
  const told = [...ledgers.ledgers].map(({ job, kind, n, dones, claims, isOpen }) => {
    const done = [...dones.values()].map(({ start, end }) => `[${start}, ${end})`);
    return `${job}/${kind} ${isOpen ? "open" : "closed"} of ${n}, done ${done.join(" ")}, ${claims.size} claims`;
  });
  return `${[...jobs.states].map(([job, at]) => `${job} ${stateName(at)}`).join(", ")}; ${told.join("; ")}`;
}

/** I8: nothing is left when all are gone. */
async function endCleanly(cluster: Cluster): Promise<void> {
  const { sim } = cluster;
  cluster.end();
  const longestTtlMs = 1_000 * TIMING.sessionTtlSeconds;
  await sim.world.run(sim.world.now + 30_000 + longestTtlMs, () => sim.violations.length > 0);
  if (sim.violations.length > 0) return;
  const stays = [sim.keys.allJobs(), sim.keys.allHeads(), sim.keys.commits(PIPELINE), sim.keys.allLedgers()];
  const others = sim.server.model
    .all()
    .flatMap(({ key }) => (stays.some((prefix) => key.startsWith(prefix)) ? [] : [key]));
  const left = [...ledgerKeys(cluster), ...others];
  if (left.length > 0) sim.violated("I8", `left in etcd: ${left.join(", ")}`);
  if (sim.server.leases().length > 0) sim.violated("I8", `leases left: ${sim.server.leases().join(", ")}`);
  if (sim.server.watchers.size > 0) sim.violated("I8", `${sim.server.watchers.size} watches left`);
  if (cluster.owners.size > 0)
    sim.violated("I8", `replicas that do not end: ${[...cluster.owners].map((one) => one.process.name)}`);
  if (cluster.openLinks > 0) sim.violated("I8", `${cluster.openLinks} streams left`);
}
