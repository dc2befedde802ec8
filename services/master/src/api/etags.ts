// Etags: revisions of etcd keys. They are never used twice, so neither is an etag, also when something is deleted and made again.

import { aborted } from "@sheaf/runtime";

export function etagOf(revision: bigint): string {
  return revision.toString(36);
}

/** ABORTED unless `given` is the etag of what stands, or empty. `revision`: undefined when nothing stands. `what`: 'pipeline "a"'. */
export function requireEtag(given: string, revision: bigint | undefined, what: string): void {
  if (given === "" || (revision !== undefined && given === etagOf(revision))) return;
  throw aborted("ETAG_MISMATCH", `${what} was changed since it was read: read it again, then repeat the change`);
}
