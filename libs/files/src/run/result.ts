/** What an owner reads of a result before it takes the commit that names it (rule L4). */
import { store } from "@sheaf/proto";
import { invalidArgument } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { getMessage, objectOf, packKey } from "../object.ts";
import { openRun } from "./run-reader.ts";

export interface ResultSummary {
  /** The interval that the result is about: checked against its content as far as that is cheap. */
  readonly header: store.ResultHeader;
  /** Packs that it refers to. */
  readonly packs: readonly Uint8Array[];
  /** Keys of all objects that it refers to, packs included: they must exist before the commit. */
  readonly objects: readonly string[];
}

/**
 * Reads and checks the header of a result. Throws DATA_LOSS when the object is missing or not what its reference names,
 * and INVALID_ARGUMENT RESULT_INVALID when it is not the result of this kind of work.
 */
export async function readResultHeader(
  source: Store,
  kind: store.WorkKind,
  ref: store.TableRef,
): Promise<ResultSummary> {
  const { header, packs, objects } = await summaryOf(source, kind, ref);
  if (header === undefined || header.kind !== kind || header.from >= header.to) {
    throw invalid(ref, "its header is missing, of another kind, or names no interval");
  }
  return { header, packs, objects: [...objects, ...packs.map(packKey)] };
}

interface Loose {
  readonly header: store.ResultHeader | undefined;
  readonly packs: readonly Uint8Array[];
  readonly objects: readonly string[];
}

async function summaryOf(source: Store, kind: store.WorkKind, ref: store.TableRef): Promise<Loose> {
  switch (kind) {
    case store.WorkKind.PLAN:
      return planSummary(await getMessage(source, store.PlanManifestSchema, objectOf(ref)));
    case store.WorkKind.PROCESS:
      return runSummary((await openRun(source, ref)).footer, ref);
    case store.WorkKind.MERGE:
      return mergeSummary(await getMessage(source, store.MergeResultSchema, objectOf(ref)), ref);
    default:
      throw invalid(ref, `work of kind ${kind} is not known`);
  }
}

function planSummary(plan: store.PlanManifest): Loose {
  return {
    header: plan.header,
    packs: [],
    objects: plan.chunks.map((chunk) => chunk.object?.key ?? ""),
  };
}

function runSummary(run: store.RunFooter, ref: store.TableRef): Loose {
  const datums = (run.header?.to ?? 0n) - (run.header?.from ?? 0n);
  if ((run.datums?.count ?? 0n) !== datums) throw invalid(ref, `it has ${run.datums?.count} rows for ${datums} datums`);
  return { header: run.header, packs: run.packs, objects: [] };
}

function mergeSummary(result: store.MergeResult, ref: store.TableRef): Loose {
  const shards = Number((result.header?.to ?? 0n) - (result.header?.from ?? 0n));
  if (result.shards.length !== shards) throw invalid(ref, `it has ${result.shards.length} shards, not ${shards}`);
  return {
    header: result.header,
    packs: result.shards.flatMap((shard) => shard.packs),
    objects: result.shards.flatMap((shard) => shard.index?.table?.object?.key ?? []),
  };
}

function invalid(ref: store.TableRef, problem: string): Error {
  return invalidArgument("RESULT_INVALID", `the object ${objectOf(ref).key} is not the result of a claim: ${problem}`);
}
