/** A pool as users see it: the fields of WorkerPool in sheaf.api.v1. */
export interface PoolStatus {
  /** How many workers there shall be. */
  readonly wanted: number;
  /** Those that are here or on their way, less those that were told to go. */
  readonly running: number;
  readonly ready: number;
  readonly draining: number;
  /** The most that its spec allows. */
  readonly limit: number;
  /** The most that the limit of the cluster leaves to it. */
  readonly share: number;
  readonly reason: string;
}
