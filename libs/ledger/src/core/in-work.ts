import type { Claim } from "./partition.ts";

type Seen = Pick<Claim, "id" | "start" | "end" | "next" | "running">;

/**
 * Which claims of a worker were in work when it was lost (L9): a datum that only waited in its hands did not kill it. `claims`: in the
 * order in which they were assigned, for so they are worked on. The first one that is not through may be in work whatever the last
 * beat said; those behind it only if the worker has said that it began them.
 */
export function inWork(claims: readonly Seen[]): ReadonlySet<string> {
  const open = claims.filter(({ next, end, running }) => next < end || running.length > 0);
  const begun = open.filter(({ next, start, running }, i) => i === 0 || next > start || running.length > 0);
  return new Set(begun.map(({ id }) => id));
}
