// What a command sees around it. Pure.

import type { store } from "@sheaf/proto";
import type { User } from "../user/user.ts";
import type { Failure } from "./outcome.ts";

/** All that the user's command inherits of the worker's own environment: no address, no token, no credential. */
const INHERITED = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/** The environment of the launcher, and so of every command. */
export function launcherEnvironment(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = own[name];
    if (value !== undefined) env[name] = value;
  }
  env.PATH ??= "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return env;
}

/** Where a datum finds an input in its folder. `path` begins with "/". */
export function inputPath(folder: string, input: string, path: string): string {
  return `${folder}/pfs/${input}${path}`;
}

/** Where the command may say how far it is: beside its inputs and outputs, so that it is no output, and goes with them. */
export function progressFile(folder: string): string {
  return `${folder}/progress`;
}

/** What is the same for all datums of a job: the spec's own, before that what the command's user finds at any login. */
export function jobEnvironment(work: store.WorkInput, user: User | undefined): Map<string, string> {
  const login = user === undefined ? {} : { HOME: user.home, USER: user.name, LOGNAME: user.name };
  return new Map(Object.entries({ ...login, ...work.spec?.transform?.env }));
}

/**
 * What is set for one datum, beside what the launcher has. The worker's names win over those of the spec. `spent`: why the
 * command failed, for err_cmd.
 */
export function datumEnvironment(
  work: store.WorkInput,
  datum: store.Datum,
  folder: string,
  user: User | undefined,
  spent?: Failure,
): Map<string, string> {
  const env = jobEnvironment(work, user);
  for (const [i, input] of datum.inputs.entries()) {
    const path = inputPath(folder, input.name, input.path);
    if (i === 0) env.set("SHEAF_INPUT", path);
    env.set(input.name, path);
    env.set(`${input.name}_COMMIT`, work.inputs.find(({ name }) => name === input.name)?.commit ?? "");
  }
  env.set("SHEAF_OUT", `${folder}/pfs/out`);
  env.set("SHEAF_PROGRESS", progressFile(folder));
  env.set("SHEAF_DATUM_ID", datum.id);
  env.set("SHEAF_JOB_ID", work.job);
  env.set("SHEAF_PIPELINE", work.pipeline);
  if (spent !== undefined) {
    env.set("SHEAF_FAILURE_REASON", spent.reason);
    env.set("SHEAF_FAILURE_MESSAGE", spent.message);
  }
  env.set("PACH_JOB_ID", work.job);
  env.set("PACH_DATUM_ID", datum.id);
  env.set("PACH_OUTPUT_COMMIT_ID", work.outputCommit);
  return env;
}
