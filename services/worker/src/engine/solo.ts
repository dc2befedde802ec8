// Work that has the engine to itself: plan and merge.

import type { Claim } from "../claims/claim.ts";
import type { Cut, Interval } from "../claims/terms.ts";
import type { Built } from "./messages.ts";

export interface Solo {
  readonly isBusy: boolean;
  /** Prepares, starts and finishes all indexes of the claim that are still wanted. Rejects when it cannot go on. */
  work(claim: Claim): Promise<void>;
  /** Writes the result of a cut. */
  build(claim: Claim, cut: Cut): Promise<Built>;
  committed(claim: Claim, interval: Interval): void;
}
