/** The bytes of one file of a commit, checked as they come. */
import { dataLoss, invalidArgument, type SheafError } from "@sheaf/runtime";
import type { Caller, CommitName, Sha256 } from "./services.ts";

/** In pieces of about a MiB, none of which is kept; a file of more than one is checked at its end. DATA_LOSS, NOT_A_FILE. */
export async function* readFile(
  { rpc, sha256 }: Caller,
  commit: CommitName,
  path: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array, void, void> {
  let hash: Sha256 | undefined;
  let hasCome = false;
  const request = { commit: { ...commit }, path };
  for await (const { message } of rpc.file.getFiles(request, signal === undefined ? {} : { signal })) {
    if (message.case === "batch") {
      for (const file of message.value.files) {
        hasCome = requireOne(path, file.path);
        yield file.content;
      }
    } else if (message.case === "begin") {
      hasCome = requireOne(path, message.value.path);
      hash = sha256();
    } else if (message.case === "chunk") {
      hash?.update(message.value);
      yield message.value;
    } else if (message.case === "end") {
      requireHash(path, hash, message.value.sha256);
      hash = undefined;
    }
  }
  if (hash !== undefined) throw brokenOff(path);
  if (!hasCome) throw noFile(path);
}

/** INVALID_ARGUMENT for what is in a folder: it has another path than the folder. */
export function requireOne(asked: string, found: string): true {
  if (found === asked.replace(/\/+$/, "")) return true;
  throw noFile(asked);
}

export function noFile(path: string): SheafError {
  const text = `${JSON.stringify(path)} is a folder of the commit: name a file, or get the folder`;
  return invalidArgument("NOT_A_FILE", text);
}

/** DATA_LOSS unless the bytes that the hash saw are those that were stored. */
export function requireHash(path: string, hash: Sha256 | undefined, stored: Uint8Array): void {
  const came = hash?.digest();
  if (came?.length === stored.length && came.every((byte, i) => byte === stored[i])) return;
  throw dataLoss(
    "CHECKSUM_MISMATCH",
    `the bytes of ${JSON.stringify(path)} that came are not those that were stored: get it again`,
  );
}

export function brokenOff(path: string): Error {
  return dataLoss("FILE_BROKEN_OFF", `the stream ended before the end of ${JSON.stringify(path)}: get it again`);
}
