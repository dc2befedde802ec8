// sheaf.api.v1.FileService: the files of commits. Bytes go between the caller and the store; etcd sees one transaction.

import { createHash } from "node:crypto";
import { type CommitReader, compileGlob, folderTotals, listFolder, openCommit, parsePath } from "@sheaf/files";
import { api, type store } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import { invalidArgument, notFound } from "@sheaf/runtime";
import { BranchTurns } from "../files/branch-turns.ts";
import { ChangeStream } from "../files/change-stream.ts";
import { type CommitDeps, commitChanges, requireWritable } from "../files/commit-changes.ts";
import type { FileUrls } from "../files/file-urls.ts";
import { chosenFiles, contents } from "../files/get-files.ts";
import { globRows } from "../files/glob-rows.ts";
import { type FoundCommit, findCommit } from "./commits.ts";
import { checkDescription, checkName, checkRequestId, shown } from "./names.ts";
import { pageToken, readPage, tokenInvalid } from "./paging.ts";
import { checkGlob } from "./spec-check.ts";
import { DEFAULT_BRANCH } from "./spec-defaults.ts";
import { Violations } from "./violations.ts";

export interface FileServiceDeps extends CommitDeps {
  readonly fileUrls: FileUrls;
}

export class FileService implements Handlers<typeof api.FileService> {
  readonly #deps: FileServiceDeps;
  readonly #turns = new BranchTurns();

  constructor(deps: FileServiceDeps) {
    this.#deps = deps;
  }

  async modifyFiles(requests: AsyncIterable<api.ModifyFilesRequest>) {
    const messages = requests[Symbol.asyncIterator]();
    const first = await messages.next();
    const open = first.done === true ? undefined : first.value.message;
    if (open?.case !== "open") throw invalidArgument("MESSAGE_ORDER", "the first message of the stream must be open");
    const { repo, branch, description, requestId } = checkOpen(open.value);
    await requireWritable(this.#deps.world, repo); // before a byte is taken

    const changes = new ChangeStream(this.#deps.world.store);
    for (let next = await messages.next(); next.done !== true; next = await messages.next())
      await changes.take(next.value);
    const said = await changes.finish();

    const sha256 = createHash("sha256")
      .update(["ModifyFiles", repo, branch, description, ""].join("\n"))
      .update(said)
      .digest();
    const asked = { repo, branch, description, changes, request: { id: requestId, sha256 } };
    return this.#turns.take(`${repo}@${branch}`, () => commitChanges(this.#deps, asked));
  }

  async *getFiles(request: api.GetFilesRequest) {
    const path = readPath(request.path);
    const glob = request.glob === "" ? undefined : readGlob(request.glob);
    const commit = await this.#open(request.commit);
    await requirePath(commit, path);
    yield* contents(this.#deps.world.store, chosenFiles(commit.tree, { path, glob }));
  }

  async listFiles(request: api.ListFilesRequest) {
    const path = readPath(request.path);
    const { size, after } = readPage(request.page, "files");
    const commit = await this.#open(request.commit);
    const found = await requirePath(commit, path);
    if (found.kind === "file") throw notFound("FOLDER_NOT_FOUND", `${shown(path)} is a file: it holds no files`);
    const files: api.File[] = [];
    let next = "";
    for await (const child of listFolder(commit.tree, path, after)) {
      if (files.length === size) return { files, nextPageToken: pageToken("files", next) };
      files.push(child.kind === "file" ? fileView(child.entry) : folderView(child.path, child.files, child.bytes));
      next = child.next;
    }
    return { files, nextPageToken: "" };
  }

  async globFiles(request: api.GlobFilesRequest) {
    const glob = readGlob(request.glob);
    const { size, after } = readPage(request.page, "glob");
    const { from, skip } = readGlobToken(after);
    const { tree } = await this.#open(request.commit);
    const files: api.File[] = [];
    const range = { prefix: glob.literalPrefix, ...(from !== undefined && { from }) };
    for await (const row of globRows(tree.files(range), glob)) {
      if (row.groupFrom === from && row.inGroup < skip) continue;
      if (files.length === size) return { files, nextPageToken: pageToken("glob", `${row.groupFrom}\n${row.inGroup}`) };
      files.push(row.file === undefined ? folderView(row.path, row.files, row.bytes) : fileView(row.file));
    }
    return { files, nextPageToken: "" };
  }

  async inspectFile(request: api.InspectFileRequest) {
    const path = readPath(request.path);
    const commit = await this.#open(request.commit);
    const found = await requirePath(commit, path);
    if (found.kind === "file") return { file: fileView(found.entry) };
    const { files, bytes } = await folderTotals(commit.tree, path);
    return { file: folderView(path, files, bytes) };
  }

  /** See file-urls.ts. */
  async getFileUrl(request: api.GetFileUrlRequest) {
    const path = readPath(request.path);
    const { repo, id: commit, tree } = await this.#open(request.commit);
    const found = await requirePath({ repo, id: commit, tree }, path);
    if (found.kind === "folder") {
      const description = `${shown(path)} is a folder: get it with GetFiles, or its files one by one`;
      throw invalidArgument("PATH_INVALID", `path: ${description}`, { details: [{ field: "path", description }] });
    }
    const { entry } = found;
    return { ...(await this.#deps.fileUrls.urlOf({ repo, commit, entry }, request)), file: fileView(entry) };
  }

  async #open(ref: api.CommitRef | undefined): Promise<OpenedCommit> {
    const found = await findCommit(this.#deps.world, ref);
    return { ...found, tree: await openCommit(this.#deps.world.store, found.record.manifest) };
  }
}

interface OpenedCommit extends FoundCommit {
  readonly tree: CommitReader;
}

type Found = { readonly kind: "file"; readonly entry: store.FileEntry } | { readonly kind: "folder" };

async function requirePath({ repo, id, tree }: Omit<OpenedCommit, "record">, path: string): Promise<Found> {
  if (path === "/") return { kind: "folder" };
  const entry = await tree.find(path);
  if (entry !== undefined) return { kind: "file", entry };
  if ((await tree.firstUnder(path)) !== undefined) return { kind: "folder" };
  throw notFound("FILE_NOT_FOUND", `commit ${id} of repo "${repo}" has no file or folder ${shown(path)}`);
}

function checkOpen(open: api.ModifyFilesOpen): api.ModifyFilesOpen {
  const violations = new Violations();
  open.branch ||= DEFAULT_BRANCH;
  checkName(violations, "open.repo", open.repo);
  checkName(violations, "open.branch", open.branch);
  checkDescription(violations, "open.description", open.description);
  checkRequestId(violations, open.requestId);
  violations.throwIfAny("FILES_INVALID", "the files cannot be changed");
  return open;
}

/** "/" or the path of a file or folder; a slash at its end does no harm. */
function readPath(text: string): string {
  const path = text.replace(/\/$/, "");
  if (path === "") return "/";
  const parsed = parsePath(path);
  if (parsed.ok) return path;
  const description = `${shown(text)} cannot be a path: ${parsed.message}`;
  throw invalidArgument("PATH_INVALID", `path: ${description}`, { details: [{ field: "path", description }] });
}

function readGlob(text: string) {
  const violations = new Violations();
  checkGlob(violations, "glob", text);
  violations.throwIfAny("GLOB_INVALID", "the glob is not valid");
  return compileGlob(text);
}

/** "<first path of a group>\n<rows of it that were seen>". */
function readGlobToken(after: string | undefined): { readonly from: string | undefined; readonly skip: number } {
  if (after === undefined) return { from: undefined, skip: 0 };
  const [from, skip, ...more] = after.split("\n");
  if (from === undefined || !parsePath(from).ok || !/^\d{1,9}$/.test(skip ?? "") || more.length > 0)
    throw tokenInvalid();
  return { from, skip: Number(skip) };
}

function fileView({ path, size, hash, executable }: store.FileEntry) {
  const kind = api.FileKind.FILE;
  return {
    $typeName: "sheaf.api.v1.File" as const,
    path,
    kind,
    bytes: size,
    files: 1n,
    hash: Buffer.from(hash).toString("hex"),
    executable,
  };
}

function folderView(path: string, files: bigint, bytes: bigint) {
  return {
    $typeName: "sheaf.api.v1.File" as const,
    path,
    kind: api.FileKind.FOLDER,
    bytes,
    files,
    hash: "",
    executable: false,
  };
}
