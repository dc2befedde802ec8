import type { Timing } from "@sheaf/ledger";

/** The times of the product, shortened by about half in proportion: a history takes less virtual time, and its beats less real time. */
export const TIMING: Timing = {
  beatMs: 500,
  brokenGraceMs: 500,
  silentMs: 3_000,
  massMs: 3_000,
  releaseMs: 500,
  lossMs: 4_000,
  orphanMs: 4_000,
  sessionTtlSeconds: 6,
  ownerTtlSeconds: 3,
};
