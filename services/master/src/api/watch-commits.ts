// The commits of a branch as they are made. What comes after the one that was told last is found by walking from the head to its parents, so
// that none is left out and none told twice, whichever master answers and whatever was missed meanwhile.

import { readRecordOrNull } from "@sheaf/ledger";
import { type api, state } from "@sheaf/proto";
import type { CallContext } from "@sheaf/rpc";
import { Change } from "../change.ts";
import type { World } from "../context.ts";
import type { Mirror } from "../mirror/mirror.ts";
import { requireRepo } from "./commits.ts";
import { WATCH_COMMITS_MAX } from "./limits.ts";
import { ALIVE_MS, draining, resumeToken } from "./resume.ts";
import { commitView } from "./views.ts";

export interface CommitWatch {
  readonly world: World;
  readonly heads: Mirror<state.HeadRecord>;
  readonly repo: string;
  readonly branch: string;
  /** The commit that was told last; undefined: begin with the newest. */
  readonly told: string | undefined;
}

export const COMMITS_STREAM = "commits";

interface Told {
  commit?: api.Commit;
  resume: string;
  gap?: boolean;
}

export async function* watchCommits(watch: CommitWatch, context: CallContext): AsyncGenerator<Told> {
  const { world, heads, repo, branch } = watch;
  const { clock, keys } = world;
  const key = keys.head(repo, branch);
  const change = new Change();
  const end = heads.changes.listen(key, change.happened);
  const over = AbortSignal.any([context.signal, context.draining]);
  over.addEventListener("abort", change.happened, { once: true });
  const token = (id: string | undefined) => (id === undefined ? "" : resumeToken(COMMITS_STREAM, id, repo, branch));
  let told = watch.told;
  let saidMs = clock.now();
  try {
    // Not the copy: another master may have told the caller more than this one has heard of.
    let head = (await heads.refresh(key))?.record.commit;
    for (;;) {
      if (head === undefined) await requireRepo(world, repo);
      else if (head !== told) {
        const { ids, gap } = await newer(watch, told, head);
        for (const [i, id] of ids.entries()) {
          const found = readRecordOrNull(state.CommitRecordSchema, await world.etcd.get(keys.commit(repo, id)));
          if (found === null) continue; // the repo is being deleted
          told = id;
          saidMs = clock.now();
          yield { commit: commitView(repo, id, found.record), resume: token(id), gap: gap && i === 0 };
        }
      }
      if (context.signal.aborted) return;
      if (context.draining.aborted) throw draining();
      await change.next({ clock, ms: Math.max(1, saidMs + ALIVE_MS - clock.now()) });
      if (clock.now() - saidMs >= ALIVE_MS) {
        saidMs = clock.now();
        yield { resume: token(told) };
      }
      head = heads.get(key)?.record.commit;
    }
  } finally {
    end();
  }
}

/** Ids from behind `told` up to `head`, oldest first. `gap`: `told` is none of the ancestors that were looked at, and only the head is told. */
async function newer({ world, repo }: CommitWatch, told: string | undefined, head: string) {
  if (told === undefined) return { ids: [head], gap: false };
  const ids = [head];
  while (ids.length <= WATCH_COMMITS_MAX) {
    const kv = await world.etcd.get(world.keys.commit(repo, ids.at(-1) ?? ""));
    const parent = readRecordOrNull(state.CommitRecordSchema, kv)?.record.parent;
    if (parent === told) return { ids: ids.reverse(), gap: false };
    if (parent === undefined || parent === "") break;
    ids.push(parent);
  }
  return { ids: [head], gap: true };
}
