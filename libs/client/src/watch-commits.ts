/** Following a branch, through connections that break and masters that restart. */
import type { api } from "@sheaf/proto";
import { backoff, SheafError } from "@sheaf/runtime";
import { Outage } from "./outage.ts";
import { isNotRead } from "./retries.ts";
import type { Caller } from "./services.ts";

export interface WatchCommitsOptions {
  /** Go on behind the commit that this came with. Default: begin with the newest. */
  readonly resume?: string;
  /** How long, in milliseconds, nobody may answer before UNAVAILABLE is thrown. Default 60,000. */
  readonly unreachableMs?: number;
  /** The connection broke; the watch goes on by itself. For a line to the user. */
  readonly onBroken?: (error: SheafError) => void;
  readonly signal?: AbortSignal;
}

export interface WatchedCommit {
  readonly commit: api.Commit;
  /** Where another watch goes on behind it. To be kept with whatever the commit brought about. */
  readonly resume: string;
  /** It does not follow the one before: the branch was put elsewhere. */
  readonly gap: boolean;
}

export async function* watchCommits(
  { rpc, clock, random }: Caller,
  { repo, branch = "" }: { readonly repo: string; readonly branch: string | undefined },
  options: WatchCommitsOptions = {},
): AsyncGenerator<WatchedCommit, void, void> {
  const { signal, onBroken } = options;
  const waits = backoff({ baseMs: 20, capMs: 1_000, random });
  let resume = options.resume ?? "";
  const outage = new Outage(clock, options.unreachableMs);
  for (;;) {
    try {
      const more = signal === undefined ? {} : { signal };
      for await (const message of rpc.repo.watchCommits({ repo, branch, resume }, more)) {
        outage.over();
        waits.reset();
        resume = message.resume;
        if (message.commit !== undefined) yield { commit: message.commit, resume, gap: message.gap };
      }
    } catch (error) {
      if (!outage.isBearable(error) && !isNotRead(error)) throw error;
      if (error instanceof SheafError) onBroken?.(error);
    }
    await clock.sleep(waits.next(), signal);
  }
}
