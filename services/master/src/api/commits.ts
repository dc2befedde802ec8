// Finds what a request names: repos, and commits by branch or id.

import { type Kept, readRecordOrNull } from "@sheaf/ledger";
import { type api, state } from "@sheaf/proto";
import { isId, notFound } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { requireName, shown } from "./names.ts";
import { DEFAULT_BRANCH } from "./spec-defaults.ts";

export async function requireRepo({ etcd, keys }: World, name: string): Promise<Kept<state.RepoRecord>> {
  const repo = readRecordOrNull(state.RepoRecordSchema, await etcd.get(keys.repo(name)));
  if (repo === null) throw notFound("REPO_NOT_FOUND", `there is no repo "${name}"`);
  return repo;
}

export interface FoundCommit {
  readonly repo: string;
  readonly id: string;
  readonly record: state.CommitRecord;
}

/** The commit that a request names. NOT_FOUND says which part does not exist. */
export async function findCommit(world: World, ref: api.CommitRef | undefined): Promise<FoundCommit> {
  const { etcd, keys } = world;
  const repo = requireName("commit.repo", ref?.repo ?? "");
  const named = ref?.ref || DEFAULT_BRANCH;
  const id = isId(named) ? named : await headOf(world, repo, requireName("commit.ref", named));
  const commit = readRecordOrNull(state.CommitRecordSchema, await etcd.get(keys.commit(repo, id)));
  if (commit !== null) return { repo, id, record: commit.record };
  await requireRepo(world, repo);
  throw notFound("COMMIT_NOT_FOUND", `repo "${repo}" has no commit ${shown(id)}`);
}

async function headOf(world: World, repo: string, branch: string): Promise<string> {
  const head = readRecordOrNull(state.HeadRecordSchema, await world.etcd.get(world.keys.head(repo, branch)));
  if (head !== null) return head.record.commit;
  await requireRepo(world, repo);
  throw notFound("BRANCH_NOT_FOUND", `repo "${repo}" has no branch "${branch}": no commit was made on it yet`);
}
