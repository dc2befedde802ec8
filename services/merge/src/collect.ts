import { commitOfShards, getMessage, objectOf } from "@sheaf/files";
import type { DoneInterval } from "@sheaf/ledger";
import { store } from "@sheaf/proto";
import { internal } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { JobEnding } from "./publish.ts";

/** Puts the merged shards together: the commit's manifest, or why there is none. */
export async function collect(source: Store, done: readonly DoneInterval[]): Promise<JobEnding> {
  const failed = done.find(({ totals }) => totals.failed > 0n);
  if (failed !== undefined) {
    return {
      kind: "failed",
      reason: "MERGE_FAILED",
      message: `shard ${failed.start} could not be merged: ${failed.totals.firstFailedMessage}`,
    };
  }
  const merged: store.MergedShard[] = [];
  for (const { result } of done) {
    merged.push(...(await getMessage(source, store.MergeResultSchema, objectOf(result))).shards);
  }
  const outcome = await commitOfShards(source, merged);
  if (outcome.kind === "conflicts") {
    const [conflict] = outcome.conflicts;
    if (conflict === undefined) throw internal("CONFLICTS_EMPTY", "a merge has conflicts and names none");
    return { kind: "failed", reason: reasonOf(conflict), message: explain(conflict) };
  }
  const { ref, manifest } = outcome;
  const rootHash = ref.key.slice(ref.key.indexOf("/") + 1);
  return {
    kind: "publish",
    manifest: ref,
    rootHash,
    files: manifest.files,
    bytes: manifest.bytes,
    shards: merged.length,
  };
}

function reasonOf({ kind }: store.PathConflict): string {
  return kind === store.PathConflictKind.NOT_A_SUM ? "NOT_A_SUM" : "PATH_CONFLICT";
}

/** For people: both datums by index, and what to do. */
export function explain({ kind, path, firstDatum, secondDatum, detail }: store.PathConflict): string {
  switch (kind) {
    case store.PathConflictKind.TWO_WRITERS:
      return `datums ${firstDatum} and ${secondDatum} both wrote ${path}, and its merge strategy is exclusive; let each datum write a path of its own, or merge it with concat`;
    case store.PathConflictKind.FILE_AND_FOLDER:
      return `${path} is a file of one datum and a folder of another (datums ${firstDatum} and ${secondDatum}): ${detail}; give one of them another name`;
    case store.PathConflictKind.NOT_A_SUM:
      return `${path} of datum ${firstDatum} cannot be summed: ${detail}; each line must be a key, a tab and a number`;
    default:
      return `${path} of datums ${firstDatum} and ${secondDatum} cannot stand together: ${detail}`;
  }
}
