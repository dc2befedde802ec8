// What the shop floor and whoever runs a datum say to each other.

import type { store } from "@sheaf/proto";
import type { Failure } from "../datum/outcome.ts";
import type { Held } from "../handler/held.ts";
import type { WrittenFile } from "../handler/messages.ts";
import type { Ended, Run } from "../launcher/slot.ts";
import type { Mode, ProcessJob } from "./job.ts";

/** How the try of a datum ended. */
export type TryEnded =
  | Ended
  /** It did well, and this is its output: nothing is in its folder. */
  | { readonly kind: "wrote"; readonly files: readonly WrittenFile[] }
  /** What ran it says so. */
  | { readonly kind: "failed"; readonly failure: Failure };

/** One try of a datum: a run of its command, or something else that has the same effect. */
export interface DatumRun extends Run {
  readonly job: ProcessJob;
  readonly datum: store.Datum;
  /** Its inputs, when they are not in its folder. */
  readonly held: Held | undefined;
  ended(ended: TryEnded): void;
}

/** What somebody must be ready for who takes a datum. */
export interface Upcoming {
  readonly job: ProcessJob;
  readonly mode: Mode;
}

/** Datums that wait to be run. */
export interface Waiting {
  /** What the next one is; undefined: there is none, or no room for what it would leave. */
  readonly upcoming: Upcoming | undefined;
  /** Takes the next one if it is such. From then on it counts as started. */
  next(wanted: Upcoming): DatumRun | undefined;
}
