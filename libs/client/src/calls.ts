/** What a client does anywhere, in Node and in browsers: the typed services, and above them what takes more than one call. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import type { Clock, Random } from "@sheaf/runtime";
import { type FollowLogsOptions, followLogs } from "./follow-logs.ts";
import { type Lists, listsOf } from "./lists.ts";
import { readFile } from "./read-file.ts";
import type { Caller, CommitName, SheafRpc } from "./services.ts";
import { type RunOptions, run, submit } from "./submit.ts";
import { type WatchCommitsOptions, type WatchedCommit, watchCommits } from "./watch-commits.ts";
import { type WaitJobOptions, type WatchJobOptions, waitJob, watchJob } from "./watch-job.ts";

export interface CallsOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** Milliseconds for a call of one question and one answer. Default 30,000. */
  readonly timeoutMs?: number;
  /**
   * For how long, in milliseconds, a call that changes nothing is made again while nobody answers. Default 5,000; 0: not
   * at all.
   */
  readonly retryMs?: number;
}

/** Everything in it throws SheafErrors only; UNAVAILABLE, with the address, when the cluster cannot be reached. */
export interface SheafCalls extends Lists {
  /** As the cluster is reached: "host:port"; in a browser the address that was given. */
  readonly address: string;
  readonly rpc: SheafRpc;

  /** The bytes of the file `path` of a commit, in pieces. DATA_LOSS when they are not what was stored. */
  readFile(
    commit: CommitName,
    path: string,
    options?: { readonly signal?: AbortSignal },
  ): AsyncGenerator<Uint8Array, void, void>;

  /** Creates a pipeline; made again when the answer is lost, which is safe. Errors: as CreatePipeline. */
  submit(
    spec: MessageInitShape<typeof api.PipelineSpecSchema>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<api.Pipeline>;
  /** Makes a job of the inputs as they are now; made again when the answer is lost. Errors: as RunPipeline. */
  run(pipeline: string, options?: RunOptions): Promise<api.Job>;
  /**
   * A job now, and then whenever it changes, until it is over. Goes on when the connection breaks. NOT_FOUND; UNAVAILABLE
   * when nobody has answered for a while.
   */
  watchJob(pipeline: string, options?: WatchJobOptions): AsyncGenerator<api.Job, void, void>;
  /** The job when it is over, however it ended. DEADLINE_EXCEEDED when the time given is over first. */
  waitJob(pipeline: string, options?: WaitJobOptions): Promise<api.Job>;

  /**
   * The newest commit of a branch, then each that is made after it, in order and each once; it goes on until `signal`, or until the
   * loop is left. Goes on when the connection breaks. Of a program that starts again: give it the `resume` of the last that was dealt with.
   */
  watchCommits(repo: string, branch?: string, options?: WatchCommitsOptions): AsyncGenerator<WatchedCommit, void, void>;

  /**
   * Lines that the commands of a job write, until it is over (GetLogs, with `follow`). Goes on where it was when the connection breaks.
   * Name the job. Errors as of GetLogs; UNAVAILABLE when nobody has answered for a while.
   */
  followLogs(
    request: MessageInitShape<typeof api.GetLogsRequestSchema>,
    options?: FollowLogsOptions,
  ): AsyncGenerator<api.JobLogLine, void, void>;

  /** Open calls end with CANCELLED. Twice is harmless. */
  close(): void;
}

export function callsOf(connection: Connection, caller: Caller): SheafCalls {
  const { rpc } = caller;
  return {
    address: connection.address,
    rpc,
    ...listsOf(rpc),
    readFile: (commit, path, more) => readFile(caller, commit, path, more),
    submit: (spec, more) => submit(caller, spec, more),
    run: (pipeline, more) => run(caller, pipeline, more),
    watchJob: (pipeline, more) => watchJob(caller, pipeline, more),
    waitJob: (pipeline, more) => waitJob(caller, pipeline, more),
    watchCommits: (repo, branch, more) => watchCommits(caller, { repo, branch }, more),
    followLogs: (request, more) => followLogs(caller, request, more),
    close: () => connection.close(),
  };
}
