/** The bytes of one file of a commit, checked as they come. */
import { dataLoss } from "@sheaf/runtime";
import type { Caller, CommitName, Sha256 } from "./services.ts";

/** In pieces of about a MiB, none of which is kept; a file of more than one is checked at its end. DATA_LOSS. */
export async function* readFile(
  { rpc, sha256 }: Caller,
  commit: CommitName,
  path: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array, void, void> {
  let hash: Sha256 | undefined;
  const request = { commit: { ...commit }, path };
  for await (const { message } of rpc.file.getFiles(request, signal === undefined ? {} : { signal })) {
    if (message.case === "batch") for (const { content } of message.value.files) yield content;
    else if (message.case === "begin") hash = sha256();
    else if (message.case === "chunk") {
      hash?.update(message.value);
      yield message.value;
    } else if (message.case === "end") {
      requireHash(path, hash, message.value.sha256);
      hash = undefined;
    }
  }
  if (hash !== undefined) throw brokenOff(path);
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
