/**
 * A cluster for tests: the public API on a real port, with everything in memory. It keeps repos and files, and "runs"
 * pipelines with a function. What a test wants otherwise it overrides, handler by handler.
 */
import { api } from "@sheaf/proto";
import { type Handlers, implement, servePublic } from "@sheaf/rpc";
import { formatAddress, testLogger } from "@sheaf/runtime";
import { fakeFiles } from "./fake-files.ts";
import { fakeJobs } from "./fake-jobs.ts";
import { fakeRepos } from "./fake-repos.ts";

/** Files by absolute path. */
export type FakeTree = Map<string, { content: Uint8Array; executable: boolean }>;

/** What a job makes of its input: a result, or a failure of its datum 0 with what that wrote. */
export type FakeWork = (input: FakeTree) => { output: FakeTree } | { failure: string; log: string };

export interface FakeWorld {
  readonly repos: Map<string, { pipeline: string; heads: Map<string, string> }>;
  /** By id. */
  readonly commits: Map<string, { repo: string; branch: string; tree: FakeTree }>;
  readonly pipelines: Map<string, { spec: api.PipelineSpec; job: string; state: api.PipelineState }>;
  readonly work: FakeWork;
}

export interface FakeClusterOptions {
  /** Default: the output is the input. */
  readonly work?: FakeWork;
  readonly repo?: Handlers<typeof api.RepoService>;
  readonly file?: Handlers<typeof api.FileService>;
  readonly pipeline?: Handlers<typeof api.PipelineService>;
  readonly job?: Handlers<typeof api.JobService>;
  readonly datum?: Handlers<typeof api.DatumService>;
  readonly cluster?: Handlers<typeof api.ClusterService>;
}

export interface FakeCluster extends AsyncDisposable {
  readonly address: string;
  readonly world: FakeWorld;
}

export async function fakeCluster(options: FakeClusterOptions = {}): Promise<FakeCluster> {
  const world: FakeWorld = {
    repos: new Map(),
    commits: new Map(),
    pipelines: new Map(),
    work: options.work ?? ((output) => ({ output })),
  };
  const jobs = fakeJobs(world);
  const server = servePublic({
    host: "127.0.0.1",
    port: 0,
    log: testLogger(),
    services: [
      implement(api.RepoService, { ...fakeRepos(world), ...options.repo }),
      implement(api.FileService, { ...fakeFiles(world), ...options.file }),
      implement(api.PipelineService, { ...jobs.pipeline, ...options.pipeline }),
      implement(api.JobService, { ...jobs.job, ...options.job }),
      implement(api.DatumService, { ...jobs.datum, ...options.datum }),
      implement(api.ClusterService, options.cluster ?? {}),
    ],
  });
  await server.start();
  return {
    address: formatAddress(server.address),
    world,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}
