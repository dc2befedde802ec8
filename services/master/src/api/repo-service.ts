// sheaf.api.v1.RepoService: repos, branches and commits. State lies in etcd alone.

import { create } from "@bufbuild/protobuf";
import { absent, nowStamp, put, readRecord, readRecordOrNull, same, unchanged } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { CallContext, Handlers } from "@sheaf/rpc";
import { aborted, alreadyExists, failedPrecondition, invalidArgument, notFound } from "@sheaf/runtime";
import type { World } from "../context.ts";
import type { Mirror } from "../mirror/mirror.ts";
import { readersOf } from "../pipelines/readers.ts";
import { settle } from "../settle.ts";
import { findCommit, requireRepo } from "./commits.ts";
import { readCreated } from "./created.ts";
import { requireEtag } from "./etags.ts";
import { listPage } from "./lists.ts";
import {
  checkDescription,
  checkName,
  checkRequestId,
  requireId,
  requireName,
  requireRequestId,
  shown,
} from "./names.ts";
import { pageToken, readPage } from "./paging.ts";
import { identified, type Requests } from "./requests.ts";
import { readResume } from "./resume.ts";
import { DEFAULT_BRANCH } from "./spec-defaults.ts";
import { branchView, commitView, repoView } from "./views.ts";
import { Violations } from "./violations.ts";
import { COMMITS_STREAM, watchCommits } from "./watch-commits.ts";

/** How often a change is tried again because somebody else was first. */
const TRIES_MAX = 5;

export interface RepoServiceDeps {
  readonly world: World;
  readonly requests: Requests;
  readonly heads: Mirror<state.HeadRecord>;
}

export class RepoService implements Handlers<typeof api.RepoService> {
  readonly #world: World;
  readonly #requests: Requests;
  readonly #heads: Mirror<state.HeadRecord>;

  constructor({ world, requests, heads }: RepoServiceDeps) {
    this.#world = world;
    this.#heads = heads;
    this.#requests = requests;
  }

  async createRepo(request: api.CreateRepoRequest) {
    const violations = new Violations();
    checkName(violations, "name", request.name);
    checkDescription(violations, "description", request.description);
    checkRequestId(violations, request.requestId);
    violations.throwIfAny("REPO_INVALID", "the repo cannot be created");

    const { keys, clock } = this.#world;
    const asked = identified("CreateRepo", request.requestId, api.CreateRepoRequestSchema, request);
    const earlier = await this.#requests.earlier(asked, api.CreateRepoResponseSchema);
    if (earlier !== null) return earlier;

    const key = keys.repo(request.name);
    const record = create(state.RepoRecordSchema, {
      version: 1,
      description: request.description,
      created: nowStamp(clock),
    });
    const response = create(api.CreateRepoResponseSchema, { repo: repoView(request.name, record, []) });
    const answer = await this.#requests.keep(asked, api.CreateRepoResponseSchema, response);
    const outcome = await settle(this.#world, {
      what: `create repo "${request.name}"`,
      compare: [absent(key), ...answer.compare],
      then: [put(key, state.RepoRecordSchema, record), ...answer.then],
      mark: key,
    });
    if (outcome.kind === "applied") return response;
    if (outcome.kind === "lease-not-found") throw this.#requests.leaseGone();
    // A call with the same id may have been first.
    const other = await this.#requests.earlier(asked, api.CreateRepoResponseSchema);
    if (other !== null) return other;
    throw alreadyExists("REPO_EXISTS", `there is a repo "${request.name}" already`);
  }

  async inspectRepo(request: api.InspectRepoRequest) {
    const repo = await requireRepo(this.#world, requireName("name", request.name));
    return { repo: await this.#view(request.name, repo.record) };
  }

  async listRepos(request: api.ListReposRequest) {
    const { keys } = this.#world;
    const { rows, next } = await listPage(this.#world, {
      prefix: keys.repos(),
      list: "repos",
      page: request.page,
      begin: request.namePrefix,
    });
    const repos = rows.map((kv) => {
      const parsed = keys.parse(kv.key);
      return { name: parsed?.of === "repo" ? parsed.repo : "", record: readRecord(state.RepoRecordSchema, kv).record };
    });
    return { repos: await Promise.all(repos.map(({ name, record }) => this.#view(name, record))), nextPageToken: next };
  }

  async deleteRepo(request: api.DeleteRepoRequest) {
    const { keys } = this.#world;
    const name = requireName("name", request.name);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      // Read before the pipelines are listed, compared after: a pipeline that comes in between puts it again.
      const repo = await requireRepo(this.#world, name);
      if (repo.record.pipeline !== "") throw writtenBy(name, repo.record.pipeline, "deleted with the pipeline");
      const readers = await readersOf(this.#world, name);
      if (readers.length > 0) throw readBy(name, readers);
      const outcome = await settle(this.#world, {
        what: `delete repo "${name}"`,
        compare: [unchanged(repo)],
        then: [{ delete: repo.key }, { deletePrefix: keys.heads(name) }, { deletePrefix: keys.commits(name) }],
        mark: repo.key,
      });
      if (outcome.kind === "applied") return {};
    }
    throw aborted("REPO_CHANGED", `repo "${name}" keeps changing: try again`);
  }

  async putBranch(request: api.PutBranchRequest) {
    const { keys, etcd } = this.#world;
    const repoName = requireName("repo", request.repo);
    const branch = requireName("branch", request.branch);
    const commit = requireId("commit", request.commit);
    requireRequestId(request.requestId);
    const record = create(state.HeadRecordSchema, { version: 1, commit });
    const asked = identified("PutBranch", request.requestId, api.PutBranchRequestSchema, request);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const earlier = await this.#requests.earlierAt(asked, api.PutBranchResponseSchema);
      // The answer was kept in the transaction that moved the branch, so it has its revision.
      if (earlier !== null) return { branch: branchView(repoName, branch, record, earlier.revision) };
      const repo = await requireRepo(this.#world, repoName);
      if (repo.record.pipeline !== "") throw writtenBy(repoName, repo.record.pipeline, "put by its jobs");
      const headKey = keys.head(repoName, branch);
      const [commitKv, headKv] = await Promise.all([etcd.get(keys.commit(repoName, commit)), etcd.get(headKey)]);
      const target = readRecordOrNull(state.CommitRecordSchema, commitKv);
      if (target === null) throw notFound("COMMIT_NOT_FOUND", `repo "${repoName}" has no commit ${shown(commit)}`);
      requireEtag(request.etag, headKv?.modRevision, `branch ${repoName}@${branch}`);
      const answer = await this.#requests.keep(asked, api.PutBranchResponseSchema, create(api.PutBranchResponseSchema));
      const outcome = await settle(this.#world, {
        what: `put branch ${repoName}@${branch} on ${commit}`,
        compare: [headKv === null ? absent(headKey) : unchanged(headKv), same(repo), same(target), ...answer.compare],
        then: [put(headKey, state.HeadRecordSchema, record), ...answer.then],
        mark: headKey,
      });
      if (outcome.kind === "applied") return { branch: branchView(repoName, branch, record, outcome.revision) };
      if (outcome.kind === "lease-not-found") throw this.#requests.leaseGone();
    }
    throw aborted("BRANCH_MOVED", `branch ${repoName}@${branch} keeps moving: try again`);
  }

  async inspectCommit(request: api.InspectCommitRequest) {
    const { repo, id, record } = await findCommit(this.#world, request.commit);
    return { commit: commitView(repo, id, record) };
  }

  /** Newest first: ids sort by creation. A branch's commits are found by their own branch. */
  async listCommits(request: api.ListCommitsRequest) {
    const { keys, etcd } = this.#world;
    const name = requireName("repo", request.repo);
    if (request.branch !== "") requireName("branch", request.branch);
    const isAsked = readCreated(request);
    const page = readPage(request.page, "commits");
    await requireRepo(this.#world, name);
    const commits: api.Commit[] = [];
    for (
      let after = page.after === undefined ? undefined : keys.commit(name, requireId("page.token", page.after));
      ;
    ) {
      const options = { limit: page.size + 1, descending: true, ...(after !== undefined && { after }) };
      const { kvs, more } = await etcd.page(keys.commits(name), options);
      for (const kv of kvs) {
        const parsed = keys.parse(kv.key);
        const { record } = readRecord(state.CommitRecordSchema, kv);
        if (parsed?.of !== "commit" || (request.branch !== "" && record.branch !== request.branch)) continue;
        if (!isAsked(record.created)) continue;
        if (commits.length === page.size)
          return { commits, nextPageToken: pageToken("commits", commits.at(-1)?.id ?? "") };
        commits.push(commitView(name, parsed.id, record));
      }
      after = kvs.at(-1)?.key;
      if (!more || after === undefined) return { commits, nextPageToken: "" };
    }
  }

  /** See watch-commits.ts. */
  async *watchCommits(request: api.WatchCommitsRequest, context: CallContext) {
    const repo = requireName("repo", request.repo);
    const branch = requireName("branch", request.branch || DEFAULT_BRANCH);
    const [told, ...of] = request.resume === "" ? [] : readResume(request.resume, COMMITS_STREAM, 3);
    if (told !== undefined && (of[0] !== repo || of[1] !== branch)) {
      const description = `is of ${of.join("@")}: of another branch begin without it`;
      throw invalidArgument("RESUME_INVALID", `resume ${description}`, { details: [{ field: "resume", description }] });
    }
    await requireRepo(this.#world, repo);
    yield* watchCommits({ world: this.#world, heads: this.#heads, repo, branch, told }, context);
  }

  async #view(name: string, record: state.RepoRecord): Promise<api.Repo> {
    const { etcd, keys } = this.#world;
    const { kvs } = await etcd.list(keys.heads(name));
    const branches = kvs.map((kv) => {
      const parsed = keys.parse(kv.key);
      return branchView(
        name,
        parsed?.of === "head" ? parsed.branch : "",
        readRecord(state.HeadRecordSchema, kv).record,
        kv.modRevision,
      );
    });
    return repoView(name, record, branches);
  }
}

function writtenBy(repo: string, pipeline: string, how: string): Error {
  const text = `repo "${repo}" is the output of pipeline "${pipeline}": it is ${how}`;
  return failedPrecondition("REPO_OF_PIPELINE", text, { metadata: { pipeline } });
}

function readBy(repo: string, readers: readonly string[]): Error {
  const text = `repo "${repo}" cannot be deleted: it is read by pipeline ${readers.map((each) => `"${each}"`).join(", ")}; delete those first`;
  return failedPrecondition("REPO_IS_READ", text, { metadata: { pipelines: readers.join(",") } });
}
