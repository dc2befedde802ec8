/** A cluster as its users see it from Node: what a client does anywhere, and files of this machine. */
import { createHash } from "node:crypto";
import { publicConnection } from "@sheaf/rpc";
import { systemClock, systemRandom } from "@sheaf/runtime";
import { type CallsOptions, callsOf, type SheafCalls } from "./calls.ts";
import { type GetFolderOptions, type GetOptions, type GotFolder, getFile, getFolder } from "./get-folder.ts";
import type { LocalFile } from "./local-files.ts";
import { type PutFolderOptions, type PutFolderResult, type PutOptions, putFiles, putFolder } from "./put-folder.ts";
import { type CommitName, servicesOf } from "./services.ts";
import { type TargetOptions, target } from "./target.ts";

export interface ConnectOptions extends CallsOptions, TargetOptions {}

export interface SheafClient extends SheafCalls {
  /**
   * Puts the regular files under the folder `dir` as one commit on `repo`@`branch`, at the same paths. Links are not
   * followed. A file that cannot be read is named by the error (PERMISSION_DENIED, NOT_FOUND), and nothing is committed.
   */
  putFolder(repo: string, branch: string, dir: string, options?: PutFolderOptions): Promise<PutFolderResult>;
  /** The same for files that are named one by one, each with its path below the options' `under`. */
  putFiles(repo: string, branch: string, files: Iterable<LocalFile>, options?: PutOptions): Promise<PutFolderResult>;
  /**
   * Writes the files of a commit under the folder `dir`, which is made when it is missing; files that are there are
   * replaced. Never writes outside `dir`. DATA_LOSS when bytes came that are not what was stored.
   */
  getFolder(commit: CommitName, dir: string, options?: GetFolderOptions): Promise<GotFolder>;

  /** Writes the file `path` of a commit as the local file `target`. INVALID_ARGUMENT when it is a folder. */
  getFile(commit: CommitName, path: string, target: string, options?: GetOptions): Promise<GotFolder>;
}

/**
 * A client of the cluster at `address` ("host:port", "https://host:port"; default: SHEAF_ADDRESS). It connects with the first call.
 * INVALID_ARGUMENT when there is no address, or when it is none.
 */
export function connect(address?: string, options: ConnectOptions = {}): SheafClient {
  const { env, token, ca, ...more } = options;
  const { clock = systemClock, random = systemRandom } = more;
  const { address: at, ...security } = target(address, options);
  const connection = publicConnection(at, { ...more, ...security });
  const caller = { rpc: servicesOf(connection), clock, random, sha256: () => createHash("sha256") };
  return {
    ...callsOf(connection, caller),
    putFolder: (repo, branch, dir, more) => putFolder(caller, { repo, branch }, dir, more),
    putFiles: (repo, branch, files, more) => putFiles(caller, { repo, branch }, files, more),
    getFile: (commit, path, target, more) => getFile(caller, commit, path, target, more),
    getFolder: (commit, dir, more) => getFolder(caller, commit, dir, more),
  };
}
