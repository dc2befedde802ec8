/** Pipelines of a fake cluster: a job runs when it is watched, over the newest commit of its input, as one datum. */
import { api } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import { notFound } from "@sheaf/runtime";
import type { FakeTree, FakeWorld } from "./fake-cluster.ts";
import { addCommit } from "./fake-repos.ts";

interface FakeJobs {
  readonly pipeline: Handlers<typeof api.PipelineService>;
  readonly job: Handlers<typeof api.JobService>;
  readonly datum: Handlers<typeof api.DatumService>;
}

const POOL = { wanted: 4, running: 3, ready: 2, draining: 1, limit: 4, share: 8, reason: "8 datums to do" };

export function fakeJobs(world: FakeWorld): FakeJobs {
  const find = (name: string) => {
    const found = world.pipelines.get(name);
    if (found === undefined) throw notFound("PIPELINE_NOT_FOUND", `there is no pipeline "${name}"`);
    return found;
  };
  const view = (name: string) => {
    const { spec, state } = find(name);
    return { name, spec, state, version: 1n };
  };
  const input = (name: string): { head: string; tree: FakeTree } => {
    const pfs = find(name).spec.input?.pfs;
    const head = world.repos.get(pfs?.repo ?? "")?.heads.get(pfs?.branch || "master");
    if (head === undefined) throw notFound("JOB_NOT_FOUND", `pipeline "${name}" has no job yet`);
    return { head, tree: world.commits.get(head)?.tree ?? new Map() };
  };
  const ended = (name: string) => {
    const { head, tree } = input(name);
    const common = { id: find(name).job, pipeline: name, dataTotal: 1n, inputs: [{ name: "in", commit: head }] };
    const made = world.work(tree);
    if ("failure" in made) {
      return { ...common, state: api.JobState.FAILED, dataFailed: 1n, reason: "DATUM_FAILED", message: made.failure };
    }
    const outputCommit = addCommit(world, name, "master", made.output);
    const outputBranch = `${name}@master`;
    return { ...common, state: api.JobState.SUCCEEDED, dataProcessed: 1n, outputBranch, outputCommit };
  };
  return {
    pipeline: {
      createPipeline: async ({ spec }) => {
        const name = spec?.pipeline?.name ?? "";
        if (spec !== undefined) {
          world.pipelines.set(name, { spec, job: `j${name}`, state: api.PipelineState.RUNNING });
          world.repos.set(name, { pipeline: name, heads: new Map() });
        }
        return { pipeline: view(name) };
      },
      inspectPipeline: async ({ name }) => ({ pipeline: { ...view(name), pool: POOL } }),
      listPipelines: async () => ({
        pipelines: [...world.pipelines.keys()].map((name) => ({ ...view(name), pool: POOL })),
      }),
      stopPipeline: async ({ name }) => {
        find(name).state = api.PipelineState.STOPPED;
        return { pipeline: view(name) };
      },
      deletePipeline: async ({ name }) => {
        find(name);
        world.pipelines.delete(name);
        world.repos.delete(name);
        return {};
      },
    },
    job: {
      inspectJob: async ({ pipeline }) => ({ job: ended(pipeline) }),
      watchJob: async function* ({ pipeline }) {
        const { job: id } = find(pipeline);
        input(pipeline);
        yield { job: { id, pipeline, state: api.JobState.PROCESSING, dataTotal: 1n } };
        yield { job: ended(pipeline) };
      },
    },
    datum: {
      listDatums: async ({ pipeline, job }) => {
        const made = world.work(input(pipeline).tree);
        if (!("failure" in made)) return { datums: [] };
        const state = api.DatumState.FAILED;
        return { datums: [{ pipeline, job, index: 0n, state, tries: 3, inputs: ["/first"], message: made.failure }] };
      },
      getLogs: async function* ({ pipeline }) {
        const made = world.work(input(pipeline).tree);
        const text = "log" in made ? made.log : "";
        const stream = api.LogStream.STDERR;
        yield { lines: text.split("\n").map((line) => ({ text: Buffer.from(line), attempt: 3, stream })) };
      },
    },
  };
}
