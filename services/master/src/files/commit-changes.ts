// A new commit on a branch: the changes applied to the tree of its head, then one transaction that puts commit and head and
// compares the head. When the head has moved meanwhile the changes are applied to the new one: they are deletes and puts of
// paths, so they mean the same there.

import { create } from "@bufbuild/protobuf";
import { applyChanges } from "@sheaf/files";
import { absent, type Kept, nowStamp, put, readRecordOrNull, same, unchanged } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import { aborted, failedPrecondition, newId } from "@sheaf/runtime";
import { requireRepo } from "../api/commits.ts";
import type { Identified, Requests } from "../api/requests.ts";
import { commitView } from "../api/views.ts";
import type { World } from "../context.ts";
import type { Mirror } from "../mirror/mirror.ts";
import { settle } from "../settle.ts";
import type { ChangeStream } from "./change-stream.ts";

/** How often a head that moves is followed. */
const TRIES_MAX = 5;

export interface CommitDeps {
  readonly world: World;
  readonly requests: Requests;
  readonly heads: Mirror<state.HeadRecord>;
}

export interface CommitAsked {
  readonly repo: string;
  readonly branch: string;
  readonly description: string;
  readonly changes: Pick<ChangeStream, "puts" | "deletes">;
  readonly request: Identified;
}

export async function commitChanges(deps: CommitDeps, asked: CommitAsked): Promise<api.ModifyFilesResponse> {
  const { requests } = deps;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const earlier = await requests.earlier(asked.request, api.ModifyFilesResponseSchema);
    if (earlier !== null) return earlier;
    const done = await tryCommit(deps, asked);
    if (done !== null) return done;
  }
  const text = `branch ${asked.repo}@${asked.branch} moved ${TRIES_MAX} times meanwhile: send all again`;
  throw aborted("BRANCH_MOVED", text, { retryDelayMs: 500 });
}

/** Null: the head has moved. */
async function tryCommit(
  { world, requests, heads }: CommitDeps,
  asked: CommitAsked,
): Promise<api.ModifyFilesResponse | null> {
  const { keys, store, clock, random } = world;
  const repo = await requireWritable(world, asked.repo);
  const headKey = keys.head(asked.repo, asked.branch);
  const head = readRecordOrNull(state.HeadRecordSchema, await world.etcd.get(headKey));
  const parent = head === null ? null : await commitOf(world, asked.repo, head.record.commit);
  const tree = await applyChanges(store, parent?.manifest, {
    deletes: asked.changes.deletes,
    puts: asked.changes.puts.sorted(),
  });

  const id = newId(random, clock);
  const record = create(state.CommitRecordSchema, {
    version: 1,
    branch: asked.branch,
    parent: head?.record.commit ?? "",
    manifest: tree.ref,
    rootHash: tree.ref.key.slice(tree.ref.key.lastIndexOf("/") + 1),
    files: tree.manifest.files,
    bytes: tree.manifest.bytes,
    created: nowStamp(clock),
    description: asked.description,
  });
  const response = create(api.ModifyFilesResponseSchema, { commit: commitView(asked.repo, id, record) });
  const answer = await requests.keep(asked.request, api.ModifyFilesResponseSchema, response);
  const key = keys.commit(asked.repo, id);
  const newHead = create(state.HeadRecordSchema, { version: 1, commit: id });
  const outcome = await settle(world, {
    what: `commit ${id} to ${asked.repo}@${asked.branch}`,
    compare: [same(repo), head === null ? absent(headKey) : unchanged(head), absent(key), ...answer.compare],
    then: [put(key, state.CommitRecordSchema, record), put(headKey, state.HeadRecordSchema, newHead), ...answer.then],
    mark: key, // the id is unique, so finding it tells that this very commit was made
  });
  if (outcome.kind === "lease-not-found") throw requests.leaseGone();
  if (outcome.kind === "refused") return null;
  const { revision } = outcome;
  heads.learn({
    key: headKey,
    record: newHead,
    createRevision: head?.createRevision ?? revision,
    modRevision: revision,
  });
  return response;
}

/** The repo, when users may write it. */
export async function requireWritable(world: World, name: string): Promise<Kept<state.RepoRecord>> {
  const repo = await requireRepo(world, name);
  const { pipeline } = repo.record;
  if (pipeline === "") return repo;
  throw failedPrecondition(
    "REPO_OF_PIPELINE",
    `repo "${name}" is the output of pipeline "${pipeline}": only its jobs write it`,
    { metadata: { pipeline } },
  );
}

async function commitOf({ etcd, keys }: World, repo: string, id: string): Promise<state.CommitRecord | null> {
  return readRecordOrNull(state.CommitRecordSchema, await etcd.get(keys.commit(repo, id)))?.record ?? null;
}
