/** `sheaf branch`. */
import { api } from "@sheaf/proto";
import type { Command } from "commander";
import { action, leaf, noun } from "../action.ts";
import { type Columns, say, showOne, showRows } from "../output/show.ts";
import { parseCommitRef } from "../refs.ts";
import type { Session } from "../session.ts";

const COLUMNS: Columns<api.Branch> = {
  REPO: ({ repo }) => repo,
  BRANCH: ({ name }) => name,
  HEAD: ({ head }) => head,
};

export function defineBranch(program: Command, session: Session): void {
  const branch = noun(program, "branch", "Branches: names of the newest commits of a repo.");
  leaf(branch, {
    usage: "list <repo>",
    summary: "Lists the branches of a repo.",
    examples: ["sheaf branch list logs"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { rpc } = await call.connect();
      const { repo } = await rpc.repo.inspectRepo({ name }, { signal: call.signal });
      await showRows(call, api.BranchSchema, each(repo?.branches ?? []), COLUMNS);
    }),
  );
  leaf(branch, {
    usage: "put <repo@branch> <commit>",
    summary: "Puts a branch on a commit: a new branch, or an old one moved.",
    examples: ["sheaf branch put logs@stable 01k1g3v6m2w8z0000000000000"],
  }).action(
    action<object, [string, string]>(session, async (call, _, name, commit) => {
      const { repo, ref } = parseCommitRef(name);
      const { rpc } = await call.connect();
      const answer = await rpc.repo.putBranch({ repo, branch: ref, commit }, { signal: call.signal });
      if (call.json) showOne(call, api.BranchSchema, answer.branch, {});
      say(call, `${repo}@${ref} is at ${commit}`);
    }),
  );
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T, void, void> {
  yield* items;
}
