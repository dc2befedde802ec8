// A datum on its way through the stages.

import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { api, store } from "@sheaf/proto";
import type { Claim } from "../claims/claim.ts";
import type { LazyFiles } from "../datum/lazy-files.ts";
import { LogCapture } from "../datum/log-capture.ts";
import type { Failure } from "../datum/outcome.ts";
import type { Held } from "../handler/held.ts";
import type { DatumFolder, DatumFolders } from "../scratch/datum-folders.ts";
import type { Lack } from "../scratch/room.ts";
import type { DatumRun } from "./datum-run.ts";
import type { ProcessJob } from "./job.ts";
import type { Skipped } from "./skipped.ts";

export interface Item {
  readonly claim: Claim;
  readonly job: ProcessJob;
  readonly index: number;
  readonly datum: store.Datum;
  /** Of all tries. */
  readonly log: LogCapture;
  /** Its folder; a new one for each try. */
  folder: DatumFolder | undefined;
  /** What feeds its lazy inputs while the command runs. */
  lazy: LazyFiles | undefined;
  /** What is in it, when it has not been made. */
  held: Held | undefined;
  /** What an earlier job has made of it: then it is not run. */
  skipped: Skipped | undefined;
  /** Tries that were the command's own failure, those on earlier workers among them. */
  failures: number;
  /** Times that a worker, or the launcher here, died under it. */
  losses: number;
  /** Times that the launcher died under it here. */
  launchersLost: number;
  /** Set while it runs. */
  run: DatumRun | undefined;
  /** Why it is being ended here, though it has not failed by itself. */
  broken: Failure | undefined;
  /** A user wants it to begin again: its end, whatever it is, counts for nothing. */
  restart: boolean;
  /** What the scratch disk lacked when its last try had failed. */
  lacks: Lack | undefined;
  /** What spent its last try; from then on err_cmd is run instead of the command. */
  spent: Failure | undefined;
  readonly cost: Cost;
}

/** Of the last try. */
export interface Cost {
  downloadBytes: number;
  downloadMs: number;
  startedAt: number;
  startedWall: number;
  processMs: number;
  uploadBytes: number;
  uploadMs: number;
}

/** A datum before its first try here. */
export function newItem(claim: Claim, job: ProcessJob, index: number, datum: store.Datum): Item {
  const { tries: failures, losses } = claim.assigned.prior.get(index) ?? { tries: 0, losses: 0 };
  const none = {
    ...{ folder: undefined, held: undefined, lazy: undefined, skipped: undefined },
    ...{ launchersLost: 0, run: undefined, broken: undefined, restart: false, lacks: undefined, spent: undefined },
  };
  return { claim, job, index, datum, log: new LogCapture(), failures, losses, ...none, cost: newCost() };
}

function newCost(): Cost {
  return { downloadBytes: 0, downloadMs: 0, startedAt: 0, startedWall: 0, processMs: 0, uploadBytes: 0, uploadMs: 0 };
}

/** How a datum ended. One that err_cmd saved keeps why its command failed. */
export type Outcome =
  | { readonly kind: "succeeded" }
  | { readonly kind: "failed" | "recovered"; readonly failure: Failure };

const STATES: Readonly<Record<Outcome["kind"], api.DatumState>> = {
  succeeded: api.DatumState.SUCCESS,
  failed: api.DatumState.FAILED,
  recovered: api.DatumState.RECOVERED,
};

/** What becomes of the datum in its run. */
export function rowOf(item: Item, outcome: Outcome, log: store.LogRef | undefined): store.DatumRow {
  const { cost } = item;
  const failure = outcome.kind === "succeeded" ? undefined : outcome.failure;
  const row = create(store.DatumRowSchema, {
    index: BigInt(item.index),
    id: item.datum.id,
    state: STATES[outcome.kind],
    tries: item.failures + (failure === undefined ? 1 : 0),
    losses: item.losses,
    stats: {
      downloadTime: durationFromMs(Math.round(cost.downloadMs)),
      processTime: durationFromMs(Math.round(cost.processMs)),
      uploadTime: durationFromMs(Math.round(cost.uploadMs)),
      downloadBytes: BigInt(cost.downloadBytes),
      uploadBytes: BigInt(cost.uploadBytes),
    },
    reason: failure?.reason ?? "",
    message: failure?.message ?? "",
    inputs: item.datum.inputs.map(({ path }) => path),
  });
  if (cost.startedWall > 0) row.started = timestampFromMs(cost.startedWall);
  if (log !== undefined) row.log = log;
  return row;
}

/** Whether the datum's outcome still serves its claim. */
export function isWanted(item: Item): boolean {
  return item.claim.holds(item.index);
}

export function isQuarantined({ claim, index }: Item): boolean {
  return claim.assigned.prior.get(index)?.isQuarantined === true;
}

/** Nothing in the datum's folder is needed any more. Twice is harmless. */
export function removeFolder(item: Item, folders: DatumFolders): void {
  const { folder } = item;
  item.folder = undefined;
  item.lazy?.close();
  item.lazy = undefined;
  if (folder !== undefined) folders.give(folder);
}
