// Finds the datum that a user names: by its index, its id, or the beginning of its id.

import { PlanReader } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import { failedPrecondition, invalidArgument, notFound } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { DATUM_PREFIX_MIN } from "../api/limits.ts";
import { shown } from "../api/names.ts";

/** The index of the datum. A beginning that several datums share is refused. */
export async function findDatum(source: Store, plan: store.PlanManifest | undefined, named: string): Promise<number> {
  if (plan === undefined)
    throw failedPrecondition("JOB_NOT_PLANNED", "the job is not planned yet: it has no datums to name");
  const count = Number(plan.datums);
  if (/^\d{1,12}$/.test(named)) {
    const index = Number(named);
    if (index < count) return index;
    throw notFound("DATUM_NOT_FOUND", `the job has ${count} datums, 0 to ${count - 1}: there is no datum ${index}`);
  }
  if (!new RegExp(`^[0-9a-f]{${DATUM_PREFIX_MIN},64}$`).test(named)) {
    const description = `${shown(named)} names no datum: give its index, its id, or the first ${DATUM_PREFIX_MIN} or more characters of its id`;
    throw invalidArgument("DATUM_INVALID", description, { details: [{ field: "datum", description }] });
  }
  return byId(source, plan, named);
}

/** Plans are in the order of paths, not of ids: all of it is read. */
async function byId(source: Store, plan: store.PlanManifest, named: string): Promise<number> {
  let found: number | undefined;
  let index = 0;
  for await (const { id } of new PlanReader(source, plan).datums(0n, plan.datums)) {
    if (id.startsWith(named)) {
      if (found !== undefined)
        throw invalidArgument("DATUM_AMBIGUOUS", `several datums have ids that begin with ${named}: give more of it`);
      found = index;
    }
    index++;
  }
  if (found === undefined) throw notFound("DATUM_NOT_FOUND", `no datum of the job has an id that begins with ${named}`);
  return found;
}
