// Users of the cluster: one for each pipeline, who puts a round of files, waits for its job, reads the result, and begins anew.

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { readFiles } from "../kit/pipelines.ts";
import { isTerminal } from "../kit/tree.ts";
import type { ApiCaller } from "./api-caller.ts";
import type { Journal } from "./journal.ts";
import { type ChaosPipeline, GLOB } from "./pipelines.ts";
import { sleep } from "./sleep.ts";

/** A line of the history. */
export type HistoryEntry = { readonly ns: number } & (
  | { readonly what: "call"; readonly name: string; readonly begun: number; readonly code: string }
  /** A round has its commit; the job over it shall give a result with this digest. */
  | {
      readonly what: "round";
      readonly pipeline: string;
      readonly round: number;
      readonly repo: string;
      readonly commit: string;
      readonly expected: string;
    }
  | {
      readonly what: "job";
      readonly pipeline: string;
      readonly commit: string;
      readonly job: string;
      readonly state: string;
      readonly waitingFor: string;
      readonly message: string;
    }
  | { readonly what: "result"; readonly pipeline: string; readonly job: string; readonly digest: string }
  /** Of each datum of a job: the file that it saw, its tries, its losses. */
  | {
      readonly what: "datums";
      readonly pipeline: string;
      readonly job: string;
      readonly datums: readonly (readonly [file: string, tries: number, losses: number])[];
    }
  /** The user gave up: it did not end in time. */
  | { readonly what: "gave-up"; readonly pipeline: string; readonly round: number; readonly why: string }
);

export interface UserOptions {
  readonly caller: ApiCaller;
  readonly history: Journal;
  readonly folder: string;
  readonly seed: number;
  /** Aborted: no new round is begun. */
  readonly last: AbortSignal;
  /** Aborted: what is under way is given up. */
  readonly patience: AbortSignal;
}

const LOOK_MS = 150;

export class User {
  readonly #options: UserOptions;
  readonly #pipeline: ChaosPipeline;
  readonly #input = new Map<string, string>();
  readonly #first = Promise.withResolvers<void>();
  #round = 0;

  constructor(pipeline: ChaosPipeline, options: UserOptions) {
    this.#pipeline = pipeline;
    this.#options = options;
  }

  /** Resolves when its first round is over, or never will be. */
  get works(): Promise<void> {
    return this.#first.promise;
  }

  /** Makes the input and the pipeline, then round after round. Resolves with the rounds that ended. */
  async run(): Promise<number> {
    const { last, history, patience } = this.#options;
    try {
      await this.#create();
      for (; !last.aborted && !patience.aborted; this.#round++) {
        await this.#play();
        this.#first.resolve();
      }
    } catch (error) {
      history.write({ what: "gave-up", pipeline: this.#pipeline.name, round: this.#round, why: String(error) });
    } finally {
      this.#first.resolve();
    }
    return this.#round;
  }

  async #create(): Promise<void> {
    const { repo, name, workers, merge, tries, script } = this.#pipeline;
    const id = (what: string) => `${what}-${this.#options.seed}-${name}`;
    await this.#call("createRepo", (at) =>
      at.client(api.RepoService).createRepo({ name: repo, requestId: id("repo") }),
    );
    const spec = create(api.PipelineSpecSchema, {
      pipeline: { name },
      input: { pfs: { repo, glob: GLOB } },
      transform: { cmd: ["sh", "-c", script(this.#options.folder)] },
      parallelismSpec: { constant: BigInt(workers) },
      merge: { strategy: merge },
      datumTries: tries,
      // What was executed how often is to be known for all datums of all rounds.
      reprocessSpec: "every_job",
    });
    await this.#call("createPipeline", (at) =>
      at.client(api.PipelineService).createPipeline({ spec, requestId: id("pipeline") }),
    );
  }

  async #play(): Promise<void> {
    const { name: pipeline, repo, files, expected } = this.#pipeline;
    const { history, seed } = this.#options;
    const changed = files(seed, this.#round);
    for (const [path, text] of changed) this.#input.set(path, text);
    const requestId = `round-${seed}-${pipeline}-${this.#round}`;
    const { commit } = await this.#call("modifyFiles", (at) =>
      at.client(api.FileService).modifyFiles(upload(repo, requestId, changed)),
    );
    if (commit === undefined) throw new Error("modifyFiles answered without a commit");
    const right = expected(this.#input);
    history.write({ what: "round", pipeline, round: this.#round, repo, commit: commit.id, expected: digest(right) });
    const job = await this.#follow(commit.id);
    if (job.state === api.JobState.SUCCEEDED) await this.#read(job, right);
  }

  /** Looks at the job over a commit until it has ended. */
  async #follow(commit: string): Promise<api.Job> {
    const { name: pipeline } = this.#pipeline;
    const { history, patience } = this.#options;
    let said = "";
    let id: string | undefined;
    for (;;) {
      const job = await this.#call("inspectJob", async (at) => {
        if (id !== undefined) return (await at.client(api.JobService).inspectJob({ pipeline, job: id })).job;
        const { jobs } = await at.client(api.JobService).listJobs({ pipeline });
        return jobs.find(({ inputs }) => inputs.some((input) => input.commit === commit));
      });
      if (job !== undefined) {
        id = job.id;
        const { waitingFor, message } = job;
        const entry = { what: "job", pipeline, commit, job: id, state: stateName(job.state), waitingFor, message };
        if (JSON.stringify(entry) !== said) history.write(entry);
        said = JSON.stringify(entry);
        if (isTerminal(job.state)) return job;
      }
      if (patience.aborted) throw new Error(`job ${id ?? `of commit ${commit}`} has not ended: ${said}`);
      await sleep(LOOK_MS, patience);
    }
  }

  async #read({ id: job, outputCommit }: api.Job, right: ReadonlyMap<string, string>): Promise<void> {
    const { name: pipeline } = this.#pipeline;
    const { history, folder } = this.#options;
    const files = await this.#call("getFiles", (at) => readFiles(at, pipeline, outputCommit));
    const found = new Map([...files].map(([path, content]) => [path, content.toString()]));
    history.write({ what: "result", pipeline, job, digest: digest(found) });
    if (digest(found) !== digest(right)) {
      const shown = { right: Object.fromEntries(right), found: Object.fromEntries(found) };
      writeFileSync(join(folder, `mismatch-${job}.json`), JSON.stringify(shown, null, 1));
    }
    const datums = await this.#call("listDatums", (at) => listDatums(at, pipeline, job));
    history.write({ what: "datums", pipeline, job, datums });
  }

  #call<T>(name: string, call: (at: Connection) => Promise<T>): Promise<T> {
    return this.#options.caller.until(name, call, this.#options.patience);
  }
}

/** "SUCCEEDED". */
export function stateName(state: api.JobState): string {
  return Object.entries(api.JobState).find(([, value]) => value === state)?.[0] ?? `state ${state}`;
}

async function* upload(
  repo: string,
  requestId: string,
  files: ReadonlyMap<string, string>,
): AsyncGenerator<MessageInitShape<typeof api.ModifyFilesRequestSchema>> {
  yield { message: { case: "open", value: { repo, requestId } } };
  for (const [path, text] of files) {
    yield { message: { case: "batch", value: { files: [{ path, content: Buffer.from(text) }] } } };
  }
  yield { message: { case: "finish", value: {} } };
}

async function listDatums(at: Connection, pipeline: string, job: string): Promise<[string, number, number][]> {
  const found: [string, number, number][] = [];
  for (let token = ""; ; ) {
    const { datums, nextPageToken } = await at.client(api.DatumService).listDatums({ pipeline, job, page: { token } });
    for (const { inputs, tries, losses } of datums) found.push([inputs[0] ?? "", tries, losses]);
    if (nextPageToken === "") return found;
    token = nextPageToken;
  }
}

/** One hash over all paths and contents. */
export function digest(files: ReadonlyMap<string, string>): string {
  const hash = createHash("sha256");
  for (const [path, text] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${Buffer.byteLength(path)} ${path} ${Buffer.byteLength(text)} `).update(text);
  }
  return hash.digest("hex");
}
