/** `sheaf commit`. */
import type { SheafClient } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { notFound } from "@sheaf/runtime";
import type { Command } from "commander";
import { action, leaf, noun } from "../action.ts";
import { bytes, count, counted } from "../output/numbers.ts";
import { type Columns, showOne, showRows, time } from "../output/show.ts";
import { parseCommitRef } from "../refs.ts";
import type { Session } from "../session.ts";

const COLUMNS: Columns<api.Commit> = {
  COMMIT: ({ id }) => id,
  BRANCH: ({ branch }) => branch,
  FILES: ({ files }) => count(files),
  SIZE: (commit) => bytes(commit.bytes),
  "MADE BY": madeBy,
  CREATED: ({ created }) => time(created),
  DESCRIPTION: ({ description }) => description,
};

const FIELDS: Columns<api.Commit> = {
  commit: ({ id }) => id,
  repo: ({ repo }) => repo,
  branch: ({ branch }) => branch,
  parent: ({ parent }) => parent,
  description: ({ description }) => description,
  files: ({ files }) => count(files),
  size: (commit) => bytes(commit.bytes),
  missing: ({ datumsMissing }) => (datumsMissing === 0n ? "" : counted(datumsMissing, "datum")),
  "root hash": ({ rootHash }) => rootHash,
  "made by": madeBy,
  created: ({ created }) => time(created),
};

function madeBy({ job }: api.Commit): string {
  return job === "" ? "user" : `job ${job}`;
}

export function defineCommit(program: Command, session: Session): void {
  const commit = noun(program, "commit", "Commits: trees of files that never change.");
  leaf(commit, {
    usage: "list <repo[@branch]>",
    summary: "Lists commits, newest first.",
    examples: ["sheaf commit list logs", "sheaf commit list logs@master"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { repo, ref } = parseCommitRef(name);
      const client = await call.connect();
      const request = name.includes("@") ? { repo, branch: ref } : { repo };
      if (request.branch !== undefined) await checkBranch(client, repo, request.branch, call.signal);
      await showRows(call, api.CommitSchema, client.commits(request), COLUMNS);
    }),
  );
  leaf(commit, {
    usage: "inspect <repo@ref>",
    summary: "Shows a commit: by its id, or the newest of a branch.",
    examples: ["sheaf commit inspect logs@master"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { rpc } = await call.connect();
      const answer = await rpc.repo.inspectCommit({ commit: parseCommitRef(name) }, { signal: call.signal });
      showOne(call, api.CommitSchema, answer.commit, FIELDS);
    }),
  );
}

/** A branch that is mistyped would have no commits. */
async function checkBranch({ rpc }: SheafClient, repo: string, branch: string, signal: AbortSignal): Promise<void> {
  const { repo: found } = await rpc.repo.inspectRepo({ name: repo }, { signal });
  if (found?.branches.some(({ name }) => name === branch)) return;
  throw notFound("BRANCH_NOT_FOUND", `repo "${repo}" has no branch "${branch}"`);
}
