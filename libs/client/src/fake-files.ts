/** Files of a fake cluster, under the rules of the contract: a stream is one commit or none. */
import { createHash } from "node:crypto";
import { api } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import { dataLoss, invalidArgument, notFound } from "@sheaf/runtime";
import type { FakeTree, FakeWorld } from "./fake-cluster.ts";
import { addCommit, requireRepo } from "./fake-repos.ts";

const MIB = 1024 * 1024;
/** Files above this come in chunks. */
const SMALL_BYTES_MAX = 100_000;

export function fakeFiles(world: FakeWorld): Handlers<typeof api.FileService> {
  return {
    modifyFiles: async (requests) => {
      let target: api.ModifyFilesOpen | undefined;
      const steps = new Steps();
      for await (const { message } of requests) {
        if (target === undefined) {
          if (message.case !== "open") throw invalidArgument("MESSAGE_ORDER", "the first message must be open");
          target = message.value;
          requireRepo(world, target.repo);
        } else steps.take(message);
      }
      if (target === undefined) throw invalidArgument("MESSAGE_ORDER", "an empty stream");
      const { repo, branch } = { ...target, branch: target.branch || "master" };
      const head = requireRepo(world, repo).heads.get(branch) ?? "";
      const tree = steps.applyTo(new Map(world.commits.get(head)?.tree));
      return { commit: { repo, branch, id: addCommit(world, repo, branch, tree) } };
    },
    getFiles: async function* ({ commit, path, glob }) {
      if (glob !== "") throw invalidArgument("NO_GLOBS", "a fake cluster has no globs");
      for (const [name, file] of filesUnder(world, commit, path || "/")) {
        if (file.content.length <= SMALL_BYTES_MAX) {
          yield { message: { case: "batch" as const, value: { files: [{ path: name, ...file }] } } };
          continue;
        }
        yield { message: { case: "begin" as const, value: { path: name, executable: file.executable } } };
        for (let at = 0; at < file.content.length; at += MIB) {
          yield { message: { case: "chunk" as const, value: file.content.subarray(at, at + MIB) } };
        }
        yield { message: { case: "end" as const, value: { sha256: sha256(file.content) } } };
      }
    },
    listFiles: async ({ commit, path }) => ({
      files: filesUnder(world, commit, path || "/").map(([name, { content }]) => fileView(name, content)),
    }),
    inspectFile: async ({ commit, path }) => {
      const found = filesUnder(world, commit, path || "/");
      const [first] = found;
      if (first !== undefined && first[0] === path) return { file: fileView(path, first[1].content) };
      return { file: { path, kind: api.FileKind.FOLDER, files: BigInt(found.length) } };
    },
  };
}

/** The messages after `open`. */
class Steps {
  readonly #puts: FakeTree = new Map();
  readonly #deletes: string[] = [];
  #big: { path: string; executable: boolean; chunks: Uint8Array[] } | undefined;

  take(message: api.ModifyFilesRequest["message"]): void {
    switch (message.case) {
      case "batch":
        if (message.value.files.reduce((sum, { content }) => sum + content.length, 0) > MIB) throw tooLong();
        for (const { path, content, executable } of message.value.files) this.#puts.set(path, { content, executable });
        return;
      case "begin":
        this.#big = { path: message.value.path, executable: message.value.executable, chunks: [] };
        return;
      case "chunk":
        if (message.value.length > MIB) throw tooLong();
        this.#big?.chunks.push(message.value);
        return;
      case "end":
        this.#end(message.value.sha256);
        return;
      case "delete":
        this.#deletes.push(message.value.path);
    }
  }

  applyTo(tree: FakeTree): FakeTree {
    for (const path of this.#deletes) {
      for (const name of tree.keys()) if (isUnder(name, path)) tree.delete(name);
    }
    for (const [path, file] of this.#puts) tree.set(path, file);
    return tree;
  }

  #end(hash: Uint8Array): void {
    if (this.#big === undefined) throw invalidArgument("MESSAGE_ORDER", "an end without a begin");
    const content = Buffer.concat(this.#big.chunks);
    if (!sha256(content).equals(hash)) throw dataLoss("CHECKSUM_MISMATCH", "the hash does not match");
    this.#puts.set(this.#big.path, { content, executable: this.#big.executable });
    this.#big = undefined;
  }
}

function filesUnder(world: FakeWorld, commit: api.CommitRef | undefined, path: string) {
  const repo = requireRepo(world, commit?.repo ?? "");
  const ref = commit?.ref || "master";
  const found = world.commits.get(repo.heads.get(ref) ?? ref);
  if (found === undefined)
    throw notFound("COMMIT_NOT_FOUND", `repo "${commit?.repo}" has no branch or commit "${ref}"`);
  const files = [...found.tree].filter(([name]) => isUnder(name, path));
  if (files.length === 0 && path !== "/") throw notFound("FILE_NOT_FOUND", `there is no file or folder ${path}`);
  return files.sort(([a], [b]) => (a < b ? -1 : 1));
}

function isUnder(name: string, path: string): boolean {
  return name === path || name.startsWith(path.endsWith("/") ? path : `${path}/`);
}

function fileView(path: string, content: Uint8Array) {
  return { path, kind: api.FileKind.FILE, bytes: BigInt(content.length), files: 1n };
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function tooLong(): Error {
  return invalidArgument("FILES_INVALID", "more than 1 MiB in a message");
}
