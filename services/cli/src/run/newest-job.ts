/**
 * The job that a user means who has just put files and waits: the one over the newest commit of the pipeline's input. It
 * comes a moment after its commit, and until then the newest job is an older one, which may have ended long ago.
 */
import { isTerminal, type SheafClient } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { backoff, type Clock, deadlineExceeded, failedPrecondition, SheafError } from "@sheaf/runtime";

/** A commit makes its job at once unless a master is just being replaced. */
const PATIENCE_MS = 15_000;

export interface Waiting {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Milliseconds until DEADLINE_EXCEEDED, whatever is waited for. Default: none. */
  readonly timeoutMs?: number;
}

/** Its id. When none comes, that of the newest job. FAILED_PRECONDITION when there is none and none will come. */
export async function jobOfNewestCommit(
  client: SheafClient,
  name: string,
  { clock, signal, say, timeoutMs = Number.POSITIVE_INFINITY }: Waiting,
): Promise<string> {
  const { rpc } = client;
  const { pipeline } = await rpc.pipeline.inspectPipeline({ name }, { signal });
  const pfs = pipeline?.spec?.input?.pfs;
  const isStopped = pipeline?.state === api.PipelineState.STOPPED;
  const waits = backoff({ baseMs: 50, capMs: 1_000 });
  const begun = clock.now();
  for (;;) {
    const head = pfs === undefined ? "" : await headOf(client, pfs, signal);
    const newest = await newestJob(client, name, signal);
    const isIt = newest?.inputs.some(({ commit }) => commit === head) === true;
    if (newest !== undefined && (isIt || head === "" || isStopped)) return newest.id;
    const isPatient = clock.now() - begun < PATIENCE_MS;
    // While an older job is at work the next one may be held back.
    if (newest !== undefined && isTerminal(newest.state) && !isPatient) return newest.id;
    if (newest === undefined && (isStopped || !isPatient || head === "")) throw noJob(name, pfs, isStopped);
    const leftMs = timeoutMs - (clock.now() - begun);
    if (leftMs <= 0) throw tooLate(name, timeoutMs);
    say("waiting for the job of the newest commit");
    await clock.sleep(Math.min(waits.next(), leftMs), signal);
  }
}

async function headOf({ rpc }: SheafClient, { repo, branch }: api.PfsInput, signal: AbortSignal): Promise<string> {
  const answer = await rpc.repo.inspectRepo({ name: repo }, { signal });
  return answer.repo?.branches.find(({ name }) => name === (branch || "master"))?.head ?? "";
}

async function newestJob({ rpc }: SheafClient, pipeline: string, signal: AbortSignal): Promise<api.Job | undefined> {
  try {
    return (await rpc.job.inspectJob({ pipeline }, { signal })).job;
  } catch (error) {
    if (error instanceof SheafError && error.reason === "JOB_NOT_FOUND") return undefined;
    throw error;
  }
}

function tooLate(name: string, timeoutMs: number): SheafError {
  const message = `the job of the newest commit of pipeline "${name}" had not begun after ${timeoutMs / 1_000} s`;
  return deadlineExceeded("JOB_NOT_OVER", message);
}

function noJob(name: string, pfs: api.PfsInput | undefined, isStopped: boolean): SheafError {
  const input = pfs === undefined ? "its input" : `${pfs.repo}@${pfs.branch || "master"}`;
  const next = isStopped ? `it is stopped: sheaf pipeline start ${name}` : `put files: sheaf file put ${input} -r DIR`;
  return failedPrecondition("NO_JOB", `pipeline "${name}" has no job; ${next}`);
}
