import type { Etcd, Keys } from "@sheaf/etcd";
import type { Clock, Logger, Random } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";

/** The outside world, as every duty of the master gets it. */
export interface World {
  readonly etcd: Etcd;
  readonly keys: Keys;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}
