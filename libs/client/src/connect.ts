/** A cluster as its users see it: the typed services, and above them what takes more than one call. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { api } from "@sheaf/proto";
import { publicConnection } from "@sheaf/rpc";
import { type Clock, type Random, systemClock, systemRandom } from "@sheaf/runtime";
import { type FollowLogsOptions, followLogs } from "./follow-logs.ts";
import { type GetFolderOptions, type GetOptions, type GotFolder, getFile, getFolder, readFile } from "./get-folder.ts";
import { type Lists, listsOf } from "./lists.ts";
import type { LocalFile } from "./local-files.ts";
import { type PutFolderOptions, type PutFolderResult, type PutOptions, putFiles, putFolder } from "./put-folder.ts";
import { type CommitName, type SheafRpc, servicesOf } from "./services.ts";
import { type RunOptions, run, submit } from "./submit.ts";
import { type TargetOptions, target } from "./target.ts";
import { type WatchCommitsOptions, type WatchedCommit, watchCommits } from "./watch-commits.ts";
import { type WaitJobOptions, type WatchJobOptions, waitJob, watchJob } from "./watch-job.ts";

export interface ConnectOptions extends TargetOptions {
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
export interface SheafClient extends Lists {
  /** "host:port". */
  readonly address: string;
  readonly rpc: SheafRpc;

  /**
   * Puts the regular files under the folder `dir` as one commit on `repo`@`branch`, at the same paths. Links are not
   * followed. A file that cannot be read is named by the error (PERMISSION_DENIED, NOT_FOUND), and nothing is committed.
   */
  putFolder(repo: string, branch: string, dir: string, options?: PutFolderOptions): Promise<PutFolderResult>;
  /** The same for files that are named one by one, each with its path below the options' `under`. */
  putFiles(repo: string, branch: string, files: Iterable<LocalFile>, options?: PutOptions): Promise<PutFolderResult>;
  /**
   * Writes the files of a commit under the folder `dir`, which is made when it is missing; files that are there are
   * replaced. Never writes outside `dir`. DATA_LOSS when bytes came that are not what was stored.
   */
  getFolder(commit: CommitName, dir: string, options?: GetFolderOptions): Promise<GotFolder>;

  /** Writes the file `path` of a commit as the local file `target`. */
  getFile(commit: CommitName, path: string, target: string, options?: GetOptions): Promise<GotFolder>;
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

/**
 * A client of the cluster at `address` ("host:port", "https://host:port"; default: SHEAF_ADDRESS). It connects with the first call.
 * INVALID_ARGUMENT when there is no address, or when it is none.
 */
export function connect(address?: string, options: ConnectOptions = {}): SheafClient {
  const { clock = systemClock, random = systemRandom } = options;
  const { address: at, ...security } = target(address, options);
  const connection = publicConnection(at, { ...options, ...security });
  const rpc = servicesOf(connection);
  const caller = { rpc, clock, random };
  return {
    address: connection.address,
    rpc,
    ...listsOf(rpc),
    putFolder: (repo, branch, dir, more) => putFolder(caller, { repo, branch }, dir, more),
    putFiles: (repo, branch, files, more) => putFiles(caller, { repo, branch }, files, more),
    getFile: (commit, path, target, more) => getFile(caller, commit, path, target, more),
    readFile: (commit, path, more) => readFile(caller, commit, path, more),
    getFolder: (commit, dir, more) => getFolder(caller, commit, dir, more),
    submit: (spec, more) => submit(caller, spec, more),
    run: (pipeline, more) => run(caller, pipeline, more),
    watchJob: (pipeline, more) => watchJob(caller, pipeline, more),
    waitJob: (pipeline, more) => waitJob(caller, pipeline, more),
    watchCommits: (repo, branch, more) => watchCommits(caller, { repo, branch }, more),
    followLogs: (request, more) => followLogs(caller, request, more),
    close: () => connection.close(),
  };
}
