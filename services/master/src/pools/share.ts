// Who gets how much of the cluster, when its limit does not do for all. Pure.
//
// S1. Nobody gets more than it asks for, and all together never more than the limit.
// S2. One worker for each pipeline that has work comes before a second one for any. Where even that is too much, the pipelines whose
//     oldest job has waited longest come first: so none waits for ever behind a busy one.
// S3. The rest goes in equal parts, and what one does not need goes to the others.
// S4. Workers that have nothing to do stay only where nobody needs their place.

export interface Ask {
  readonly pipeline: string;
  /** Its oldest job that has work; "": it has none. */
  readonly oldest: string;
  /** Workers that it has work for. */
  readonly need: number;
  /** Workers that it would like to keep beyond these. */
  readonly keep: number;
}

/** How many workers each may have, by pipeline; whoever has waited longest comes first. */
export function share(asks: readonly Ask[], limit: number): Map<string, number> {
  const firstCome = asks.toSorted(byWait);
  const shares = new Map(firstCome.map(({ pipeline }) => [pipeline, 0]));
  let left = Math.max(0, limit);
  for (const { pipeline, need } of firstCome) {
    if (need === 0 || left === 0) continue; // S2
    shares.set(pipeline, 1);
    left--;
  }
  left = pour(firstCome, ({ need }) => need, shares, left); // S3
  pour(firstCome, ({ need, keep }) => need + keep, shares, left); // S4
  return shares;
}

/** Fills the shares up to what is wanted, as evenly as it goes; answers what is left. */
function pour(
  firstCome: readonly Ask[],
  wanted: (ask: Ask) => number,
  shares: Map<string, number>,
  left: number,
): number {
  const missing = firstCome
    .map((ask, place) => ({ ask, place, more: wanted(ask) - (shares.get(ask.pipeline) ?? 0) }))
    .filter(({ more }) => more > 0)
    // Small wishes first, so that what they do not need is shared by the others; the odd one goes to whoever came first.
    .toSorted((a, b) => a.more - b.more || b.place - a.place);
  missing.forEach(({ ask, more }, i) => {
    const given = Math.min(more, Math.floor(left / (missing.length - i)));
    shares.set(ask.pipeline, (shares.get(ask.pipeline) ?? 0) + given);
    left -= given;
  });
  return left;
}

function byWait(a: Ask, b: Ask): number {
  if (a.oldest !== b.oldest) return a.oldest !== "" && (b.oldest === "" || a.oldest < b.oldest) ? -1 : 1;
  return a.pipeline < b.pipeline ? -1 : 1;
}
