/** Names of commits and files as users write them: REPO, REPO@BRANCH, REPO@COMMIT, REPO@REF:/PATH. Pure. */
import { invalidArgument, type SheafError } from "@sheaf/runtime";

export interface CommitRef {
  readonly repo: string;
  /** A branch or the id of a commit. */
  readonly ref: string;
}

export interface FileRef extends CommitRef {
  /** Begins with "/". */
  readonly path: string;
}

const DEFAULT_BRANCH = "master";

/** INVALID_ARGUMENT. Whether the names are names is the server's to say. */
export function parseCommitRef(text: string): CommitRef {
  const [repo, ref, ...more] = text.split("@");
  if (!repo || ref === "" || more.length > 0 || text.includes(":")) {
    throw notARef(text, "a commit", "REPO, REPO@BRANCH or REPO@COMMIT, like logs@master");
  }
  return { repo, ref: ref ?? DEFAULT_BRANCH };
}

/** The path may hold any character, "@" and ":" too; without one it is "/". */
export function parseFileRef(text: string): FileRef {
  const colon = text.indexOf(":");
  const commit = colon < 0 ? text : text.slice(0, colon);
  const path = colon < 0 ? "/" : text.slice(colon + 1);
  const [repo, ref, ...more] = commit.split("@");
  if (!repo || ref === "" || more.length > 0) {
    throw notARef(text, "a file", "REPO@REF:/PATH, like logs@master:/2026/july.log");
  }
  return { repo, ref: ref ?? DEFAULT_BRANCH, path: path.startsWith("/") ? path : `/${path}` };
}

function notARef(text: string, what: string, form: string): SheafError {
  return invalidArgument("REF_INVALID", `${JSON.stringify(text)} does not name ${what}: write ${form}`);
}
