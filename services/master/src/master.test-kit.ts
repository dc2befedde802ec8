// A master without ports and processes: its services, its owners and its mirrors over a real etcd, a store in memory and a
// dispatcher that does what the test says.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { connectEtcd, type Etcd, keysOf } from "@sheaf/etcd";
import { api, state, type store } from "@sheaf/proto";
import { startEtcd } from "@sheaf/provision";
import type { CallContext } from "@sheaf/rpc";
import { type Clock, systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import { memoryStore, type Store } from "@sheaf/storage";
import { ClusterService } from "./api/cluster-service.ts";
import { DatumService } from "./api/datum-service.ts";
import { FileService } from "./api/file-service.ts";
import { JobService } from "./api/job-service.ts";
import { JobViews } from "./api/job-views.ts";
import { PipelineService } from "./api/pipeline-service.ts";
import { RepoService } from "./api/repo-service.ts";
import { Requests } from "./api/requests.ts";
import type { World } from "./context.ts";
import { FakeDispatcher } from "./fake-dispatcher.test-kit.ts";
import { FileUrls } from "./files/file-urls.ts";
import { type FakeRow, writePlan, writeRun } from "./job-objects.test-kit.ts";
import type { Jobs, KeptJob } from "./mirror/jobs.ts";
import type { Mirror } from "./mirror/mirror.ts";
import { Mirrors } from "./mirror/mirrors.ts";
import { Owners } from "./pipelines/owners.ts";
import { limitOf } from "./pools/limit.ts";
import type { PoolStatus } from "./pools/status.ts";
import { Topic } from "./topic.ts";
import { upload } from "./upload.test-kit.ts";

const log = testLogger();

/** A message with these fields. */
export function message<D extends DescMessage>(schema: D, fields: MessageInitShape<D>): MessageShape<D> {
  return create(schema, fields);
}

/** A call that nobody ends. */
export function context(fields: Partial<CallContext> = {}): CallContext {
  const never = new AbortController().signal;
  return {
    method: "",
    signal: never,
    draining: never,
    timeLeftMs: () => undefined,
    peer: undefined,
    header: () => undefined,
    cut: () => {},
    ...fields,
  };
}

/** One etcd for a test file. Each test takes a cluster of its own in it. */
export function testEtcd(): { cluster(): Promise<TestCluster> } {
  let etcd: Etcd;
  let end: () => Promise<void> = async () => {};
  let clusters = 0;
  before(async () => {
    const binary = process.env["SHEAF_ETCD_BIN"];
    assert.ok(binary, "SHEAF_ETCD_BIN must name an etcd: npm run setup finds one");
    const dataDir = await mkdtemp(join(tmpdir(), "sheaf-master-"));
    const server = await startEtcd({ binary, env: process.env, dataDir, noFsync: true, log, clock: systemClock });
    await server.ready;
    etcd = await connectEtcd({ addresses: [server.address], log });
    end = async () => {
      await etcd.close();
      await server.child.stop(5_000);
      await rm(dataDir, { recursive: true });
    };
  });
  after(() => end());
  return { cluster: async () => new TestCluster(etcd, `test-${clusters++}`, memoryStore()) };
}

export class TestCluster {
  readonly etcd: Etcd;
  readonly store: Store;
  readonly name: string;
  readonly #masters: TestMaster[] = [];

  constructor(etcd: Etcd, name: string, objects: Store) {
    this.etcd = etcd;
    this.name = name;
    this.store = objects;
  }

  /** Starts a master; the one before, if there is one, should have been stopped or killed. */
  async master(options: { readonly etcd?: Etcd; readonly clock?: Clock } = {}): Promise<TestMaster> {
    const { etcd = this.etcd, clock = systemClock } = options;
    const master = new TestMaster({
      etcd,
      clock,
      keys: keysOf(this.name),
      store: this.store,
      random: systemRandom,
      log,
    });
    this.#masters.push(master);
    await master.start();
    return master;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const master of this.#masters) await master.stop();
  }
}

export class TestMaster {
  readonly world: World;
  readonly dispatcher: FakeDispatcher;
  readonly jobsMirror: Jobs;
  readonly pipelinesMirror: Mirror<state.PipelineRecord>;
  readonly owners: Owners;
  readonly repos: RepoService;
  readonly files: FileService;
  readonly pipelines: PipelineService;
  readonly jobs: JobService;
  readonly datums: DatumService;
  readonly cluster: ClusterService;
  /** What the pools would say. */
  poolReason = "";
  failing: string | undefined;
  poolStatus: PoolStatus | undefined;
  nodes = 1;
  readonly #mirrors: Mirrors;
  #stopped: Promise<void> | undefined;

  constructor(world: World) {
    this.world = world;
    const { etcd, keys } = world;
    this.#mirrors = new Mirrors(world);
    const { pipelines, heads, masters, mergers, jobs } = this.#mirrors;
    this.jobsMirror = jobs;
    this.pipelinesMirror = pipelines;
    this.dispatcher = new FakeDispatcher(etcd, keys);
    const live = new Topic();
    const base = {
      world,
      pipelines,
      heads,
      masters,
      mergers,
      jobs,
      live,
      dispatcher: this.dispatcher,
      limit: (spec: api.ParallelismSpec | undefined) => limitOf(spec, this.nodes),
    };
    this.owners = new Owners(base);
    const requests = new Requests(world);
    const views = new JobViews({
      world,
      owners: this.owners,
      dispatcher: this.dispatcher,
      mergers,
      poolDoing: () => this.poolReason,
    });
    const deps = {
      ...base,
      owners: this.owners,
      requests,
      views,
      cluster: "test",
      version: "0.1.0",
      failing: () => this.failing,
      poolStatus: () => this.poolStatus,
      drainWorker: (pipeline: string, worker: string) => this.#drain(pipeline, worker),
      defaultWorkers: 1,
      place: { kind: "local" } as const,
      fileUrls: new FileUrls({ world, apiUrl: () => "http://127.0.0.1:1" }),
    };
    this.repos = new RepoService(deps);
    this.files = new FileService(deps);
    this.pipelines = new PipelineService(deps);
    this.jobs = new JobService(deps);
    this.datums = new DatumService(deps);
    this.cluster = new ClusterService(deps);
  }

  async start(): Promise<void> {
    await this.#mirrors.start();
    await this.owners.start();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.owners.stop();
    await this.dispatcher.stop();
    await this.#mirrors.stop();
  }

  #drain(pipeline: string, worker: string): boolean {
    const isHere = this.dispatcher.workers(pipeline).some((each) => each.worker === worker);
    if (isHere) this.dispatcher.drainWorker(pipeline, worker);
    return isHere;
  }

  createRepo(name: string) {
    return this.repos.createRepo(message(api.CreateRepoRequestSchema, { name }));
  }

  /** Commits files; deletes first. Returns the commit. */
  async put(
    repo: string,
    files: Readonly<Record<string, string>>,
    fields: MessageInitShape<typeof api.ModifyFilesOpenSchema> = {},
    deletes: readonly string[] = [],
  ) {
    const { commit } = await this.files.modifyFiles(upload(repo, files, fields, deletes));
    return commit ?? assert.fail("no commit");
  }

  async createPipeline(name: string, repo: string, parts: SpecParts = {}): Promise<api.Pipeline> {
    const spec = { pipeline: { name }, transform: { cmd: ["true"] }, input: { pfs: { repo, glob: "/*" } }, ...parts };
    const { pipeline } = await this.pipelines.createPipeline(message(api.CreatePipelineRequestSchema, { spec }));
    return pipeline ?? assert.fail("no pipeline");
  }

  /** Resolves with the job as soon as it satisfies the test; the newest job when `id` is left out. */
  async jobWhen(
    pipeline: string,
    satisfies: (record: state.JobRecord) => boolean,
    id?: string,
  ): Promise<{ id: string; kept: KeptJob }> {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const end = this.jobsMirror.ofPipeline.listen(pipeline, resolve);
      const at = id ?? this.jobsMirror.ids(pipeline).at(-1);
      const kept = at === undefined ? undefined : this.jobsMirror.get(pipeline, at);
      if (at !== undefined && kept !== undefined && satisfies(kept.record)) {
        end();
        return { id: at, kept };
      }
      await promise;
      end();
    }
  }

  jobIn(pipeline: string, wanted: api.JobState, id?: string) {
    return this.jobWhen(pipeline, (record) => record.state === wanted, id);
  }

  /** What the merge replica does at the end: the record says SUCCEEDED and the head moves. */
  async publish(pipeline: string, id: string): Promise<void> {
    const { etcd, keys } = this.world;
    const kept = this.jobsMirror.get(pipeline, id) ?? assert.fail(`no job ${id}`);
    const record = create(state.JobRecordSchema, { ...kept.record, state: api.JobState.SUCCEEDED, shards: 1 });
    const commit = create(state.CommitRecordSchema, {
      version: 1,
      branch: record.outputBranch,
      parent: record.parentCommit,
      job: id,
    });
    const outcome = await etcd.txn({
      compare: [{ key: kept.key, target: "mod", is: kept.modRevision }],
      then: [
        { put: kept.key, value: encode(state.JobRecordSchema, record) },
        { put: keys.commit(pipeline, record.outputCommit), value: encode(state.CommitRecordSchema, commit) },
        {
          put: keys.head(pipeline, record.outputBranch),
          value: encode(
            state.HeadRecordSchema,
            create(state.HeadRecordSchema, { version: 1, commit: record.outputCommit }),
          ),
        },
      ],
    });
    assert.equal(outcome.kind, "applied");
  }

  /** See job-objects.test-kit.ts. */
  planOf(job: string, paths: readonly string[]): Promise<store.TableRef> {
    return writePlan(this.world.store, job, paths);
  }

  runOf(job: string, from: number, rows: readonly FakeRow[]): Promise<store.TableRef> {
    return writeRun(this.world.store, job, from, rows);
  }

  /** Takes a job from its plan to the end of its process ledger; all datums succeed. */
  async process(pipeline: string, id: string, paths: readonly string[]): Promise<void> {
    const plan = await this.dispatcher.ledger(id, "plan");
    await plan.commit({ start: 0, end: 1, result: await this.planOf(id, paths) });
    if (paths.length === 0) return;
    const process = await this.dispatcher.ledger(id, "process");
    await process.commit({
      start: 0,
      end: paths.length,
      result: await this.runOf(
        id,
        0,
        paths.map((path) => ({ path })),
      ),
    });
    await this.jobWhen(pipeline, (record) => record.state !== api.JobState.PLANNING, id);
  }
}

export type SpecParts = Partial<Omit<MessageInitShape<typeof api.PipelineSpecSchema>, "$typeName" | "$unknown">>;

export function encode<D extends DescMessage>(schema: D, record: MessageShape<D>): Uint8Array {
  return toBinary(schema, record);
}
