// Finds the datum that a user names: by its index, its id, the beginning of its id, or a path that it reads.

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
  if (named.startsWith("/")) {
    const reads = ({ inputs }: store.Datum) => inputs.some(({ path }) => path === named);
    return theOnly(source, plan, reads, {
      none: `no datum of the job reads ${shown(named)}`,
      several: `several datums read ${shown(named)}: name one by its index`,
    });
  }
  if (!new RegExp(`^[0-9a-f]{${DATUM_PREFIX_MIN},64}$`).test(named)) {
    const description = `${shown(named)} names no datum: give its index, its id, the first ${DATUM_PREFIX_MIN} or more characters of its id, or a path that it reads, from "/" on`;
    throw invalidArgument("DATUM_INVALID", description, { details: [{ field: "datum", description }] });
  }
  return theOnly(source, plan, ({ id }) => id.startsWith(named), {
    none: `no datum of the job has an id that begins with ${named}`,
    several: `several datums have ids that begin with ${named}: give more of it`,
  });
}

/** Plans have no index by id, nor by path: all of it is read. */
async function theOnly(
  source: Store,
  plan: store.PlanManifest,
  isIt: (datum: store.Datum) => boolean,
  says: { readonly none: string; readonly several: string },
): Promise<number> {
  let found: number | undefined;
  let index = 0;
  for await (const datum of new PlanReader(source, plan).datums(0n, plan.datums)) {
    if (isIt(datum)) {
      if (found !== undefined) throw invalidArgument("DATUM_AMBIGUOUS", says.several);
      found = index;
    }
    index++;
  }
  if (found === undefined) throw notFound("DATUM_NOT_FOUND", says.none);
  return found;
}
