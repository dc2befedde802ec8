import type { api } from "@sheaf/proto";

/** A pipeline has at most this many workers, whatever its coefficient says of a big cluster. */
const WORKERS_MAX = 10_000;
/** 0.29 x 100 is 28.999999999999996 in binary: what is meant is 29. */
const ROUNDING = 1e-9;

/** The most workers that a spec allows on so many nodes. Pure. */
export function limitOf(
  spec: Pick<api.ParallelismSpec, "constant" | "coefficient"> | undefined,
  nodes: number,
): number {
  const { constant = 0n, coefficient = 0 } = spec ?? {};
  if (coefficient > 0) return Math.min(WORKERS_MAX, Math.max(1, Math.floor(coefficient * nodes + ROUNDING)));
  return Math.min(WORKERS_MAX, Math.max(1, Number(constant)));
}
