// The datums that run, as a user names them who wants them to begin again.

import { api } from "@sheaf/proto";
import { failedPrecondition, invalidArgument, type SheafError } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { RESTARTS_MAX } from "../api/limits.ts";
import { shown } from "../api/names.ts";
import { datumsFrom, type JobDatums } from "./datum-rows.ts";
import { findDatum } from "./find-datum.ts";

export function checkNames(names: readonly string[]): void {
  if (names.length > 0 && names.length <= RESTARTS_MAX) return;
  const description = `has ${names.length}: name 1 to ${RESTARTS_MAX} datums that run`;
  throw invalidArgument("DATUMS_INVALID", `datums ${description}`, { details: [{ field: "datums", description }] });
}

/** The datums that are named, by index, each once. Throws DATUM_NOT_RUNNING unless all of them run. */
export async function running(source: Store, job: JobDatums, names: readonly string[]): Promise<api.Datum[]> {
  const found = new Map<bigint, api.Datum>();
  for (const name of names) {
    for (const datum of name.startsWith("/") ? await byPath(source, job, name) : [await byName(source, job, name)])
      found.set(datum.index, datum);
  }
  return [...found.values()];
}

/** Only those that run are looked at: there is at most one a slot. */
async function byPath(source: Store, job: JobDatums, path: string): Promise<api.Datum[]> {
  const found: api.Datum[] = [];
  for (const index of job.running.keys()) {
    const datum = await datumAt(source, job, index);
    if (datum?.inputs.includes(path) === true && isRunning(datum)) found.push(datum);
  }
  if (found.length > 0) return found;
  throw failedPrecondition("DATUM_NOT_RUNNING", `no datum that runs now reads ${shown(path)}`);
}

async function byName(source: Store, job: JobDatums, name: string): Promise<api.Datum> {
  const datum = await datumAt(source, job, await findDatum(source, job.plan, name));
  if (datum !== undefined && isRunning(datum)) return datum;
  throw datum === undefined ? failedPrecondition("DATUM_NOT_RUNNING", `datum ${name} does not run`) : notRunning(datum);
}

async function datumAt(source: Store, job: JobDatums, index: number): Promise<api.Datum | undefined> {
  for await (const { datum } of datumsFrom(source, job, index, new Set())) return datum;
  return undefined;
}

function isRunning({ state, started }: api.Datum): boolean {
  return state === api.DatumState.STARTING && started !== undefined;
}

/** Says what it does instead. */
export function notRunning({ index, state, worker }: api.Datum): SheafError {
  const does = {
    [api.DatumState.WAITING]: "it waits for a worker",
    [api.DatumState.STARTING]: `worker ${worker} has it, and does not run it now`,
  }[state as number];
  const word = api.DatumStateSchema.value[state]?.name.replace("DATUM_STATE_", "") ?? String(state);
  return failedPrecondition("DATUM_NOT_RUNNING", `datum ${index} does not run: ${does ?? `it is over, with ${word}`}`);
}
