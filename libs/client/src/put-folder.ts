/** A folder of this machine as one commit. */
import type { api } from "@sheaf/proto";
import { internal, newId, retry } from "@sheaf/runtime";
import { type LocalFile, localFiles, requireFolder, type Skipped } from "./local-files.ts";
import { fileSteps, type PutProgress } from "./put-steps.ts";
import { isToSendAgain, SEND_AGAIN } from "./retries.ts";
import type { Caller } from "./services.ts";

export interface PutOptions {
  /** Folder of the repo that the files go under. Default "/". */
  readonly under?: string;
  /** Text of the commit, at most 4 KiB. */
  readonly description?: string;
  /** Of the caller's own, 1 to 64 characters: the same id gives the same commit for 24 h. Default: a new one. */
  readonly requestId?: string;
  /** After each message, about a MiB. Counts begin anew when all has to be sent again. */
  readonly onProgress?: (progress: PutProgress) => void;
  readonly signal?: AbortSignal;
}

export interface PutFolderOptions extends PutOptions {
  /** Whether a file is put; its path is relative to the folder, "a/b.txt". Default: all. */
  readonly filter?: (path: string) => boolean;
}

export interface PutFolderResult extends PutProgress {
  readonly commit: api.Commit;
  /** What lay in the folder and was not put. */
  readonly skipped: Readonly<Skipped>;
}

export interface PutTarget {
  readonly repo: string;
  readonly branch: string;
}

export function putFolder(
  caller: Caller,
  target: PutTarget,
  dir: string,
  options: PutFolderOptions = {},
): Promise<PutFolderResult> {
  const { filter = () => true } = options;
  return putLocal(caller, target, options, (skipped) => {
    requireFolder(dir);
    return localFiles(dir, skipped).filter(({ path }) => filter(path));
  });
}

export function putFiles(
  caller: Caller,
  target: PutTarget,
  files: Iterable<LocalFile>,
  options: PutOptions = {},
): Promise<PutFolderResult> {
  return putLocal(caller, target, options, () => files);
}

/** `list` is called again when all has to be sent again. */
async function putLocal(
  { rpc, clock, random }: Caller,
  { repo, branch }: PutTarget,
  options: PutOptions,
  list: (skipped: Skipped) => Iterable<LocalFile>,
): Promise<PutFolderResult> {
  const { under = "/", description = "", requestId = newId(random, clock), signal } = options;
  const off = signal === undefined ? {} : { signal };
  const open = { repo, branch, description, requestId };
  const once = async (): Promise<PutFolderResult> => {
    const skipped: Skipped = { links: 0, special: 0 };
    const progress = { files: 0, bytes: 0 };
    async function* steps() {
      yield { message: { case: "open" as const, value: open } };
      yield* fileSteps(list(skipped), under, progress, options.onProgress);
      yield { message: { case: "finish" as const, value: {} } };
    }
    const { commit } = await rpc.file.modifyFiles(steps(), off);
    if (commit === undefined) throw internal("NO_COMMIT", "the answer holds no commit");
    return { commit, skipped, ...progress };
  };
  return retry(once, { ...SEND_AGAIN, ...off, transient: isToSendAgain, clock, random });
}
