/**
 * Whether a worker can run a command as `transform.user`.
 *
 * It takes a worker that is root: to become somebody else, and to be able to end all that the command leaves. And it takes a PID and
 * mount namespace: the worker's folders are closed to everybody, so the folder of a datum is bound at a place that the user
 * can reach (rooted.sh); and nothing of the user is alive when the worker, as root, looks at or removes what the user left there.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type Failure, fitMessage } from "../datum/outcome.ts";
import { becomeWords } from "./become.ts";
import { findUser, type User } from "./user.ts";

/** Undefined user: the worker's own. */
export type Grant =
  | { readonly ok: true; readonly user: User | undefined }
  | { readonly ok: false; readonly failure: Failure };

/** The worker that is asked. */
export interface Grantor {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  /** Its launchers run in a root folder of their own. */
  readonly canMount: boolean;
  /** The PATH of its launchers. */
  readonly path: string;
}

/** `text`: of the spec; empty: nobody else. */
export function grantUser(text: string, { uid, gid, canMount, path }: Grantor): Grant {
  if (text === "") return { ok: true, user: undefined };
  const found = findUser(text, { passwd: listOf("/etc/passwd"), group: listOf("/etc/group") });
  if (!found.ok) return refused("UNKNOWN_USER", text, found.message);
  const { user } = found;
  const isOwn = user.uid === uid && (user.gid === gid || !text.includes(":"));
  if (isOwn) return { ok: true, user: undefined };
  if (uid !== 0) {
    const how = "only one that runs as root can run commands as somebody else: start it as root, or as that user";
    return refused("USER_DENIED", text, `the worker runs as uid ${uid}, and ${how}`);
  }
  if (!canMount) {
    const how = "give it that right (in a container: CAP_SYS_ADMIN), or start it as that user";
    return refused(
      "USER_DENIED",
      text,
      `the worker is root but may not mount, so the user could not reach its files: ${how}`,
    );
  }
  const problem = whyNot(user, path);
  return problem === undefined ? { ok: true, user } : refused("USER_DENIED", text, problem);
}

/**
 * In a container a command runs as whom the container was started for, which is who the worker was started for. Its users are not known
 * here: a name may be anybody's number.
 */
export function grantOwn(text: string, { uid, gid }: Pick<Grantor, "uid" | "gid">): Grant {
  if (text === "" || text === `${uid}` || text === `${uid}:${gid}`) return { ok: true, user: undefined };
  if (!/^\d+(:\d+)?$/.test(text))
    return refused("UNKNOWN_USER", text, "in a container only numbers will do: give its uid, or uid:gid");
  const how = "the pod's user is set when it is made, where the installation allows it";
  return refused("USER_DENIED", text, `this pod runs as ${uid}:${gid}; ${how}`);
}

/** Tried once for a job: the program may not be there, may be another of that name, or the kernel may refuse. */
function whyNot(user: User, path: string): string | undefined {
  const [program = "", ...words] = [...becomeWords(user), "true"];
  const { error, status, stderr } = spawnSync(program, words, { env: { PATH: path }, encoding: "utf8" });
  if (status === 0) return undefined;
  const detail = error?.message ?? stderr.trim();
  return `it takes setpriv of util-linux, and that does not do it here (${detail}): install util-linux, or start the worker as that user`;
}

function listOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // A container may have none: numbers will do.
  }
}

function refused(reason: string, text: string, why: string): Grant {
  const message = fitMessage(`the command cannot run as transform.user ${JSON.stringify(text)}: ${why}`);
  return { ok: false, failure: { reason, message } };
}
