// What workers leave in the store: plans, and runs with rows and logs.

import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { PackWriter, PlanWriter, RunBuilder, writeLog } from "@sheaf/files";
import { api, store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";

/** A row of a run, and the lines that its command wrote. */
export interface FakeRow {
  readonly path: string;
  readonly says?: readonly string[];
  readonly state?: api.DatumState;
  readonly tries?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** An id as datums have it. */
export function datumIdOf(path: string): string {
  return createHash("sha256").update(path).digest("hex");
}

/** What a worker commits as the plan of a job: `paths` are its datums. */
export async function writePlan(target: Store, job: string, paths: readonly string[]): Promise<store.TableRef> {
  const plan = new PlanWriter(target);
  for (const path of paths)
    await plan.add(create(store.DatumSchema, { id: datumIdOf(path), inputs: [{ name: "in", path }] }));
  return (await plan.finish({ job, attempt: "plan", worker: "worker-1" })).ref;
}

/** What a worker commits for datums [from, from + rows.length): a row each, with what it said. */
export async function writeRun(
  target: Store,
  job: string,
  from: number,
  rows: readonly FakeRow[],
): Promise<store.TableRef> {
  const pack = new PackWriter(target);
  const run = new RunBuilder({ job, attempt: `attempt-${from}`, worker: "worker-1" }, undefined);
  const written = rows.map(({ path, says = [], ...fields }, i) => {
    const lines = says.map((text) => create(store.LogLineSchema, { text: new TextEncoder().encode(text), attempt: 1 }));
    const log = writeLog(pack, lines);
    const row = {
      index: BigInt(from + i),
      id: datumIdOf(path),
      state: api.DatumState.SUCCESS,
      tries: 1,
      inputs: [path],
      ...fields,
    };
    return create(store.DatumRowSchema, { ...row, ...(log && { log }) });
  });
  await pack.close();
  for (const row of written) run.addDatum(row);
  return (await run.finish(target)).ref;
}
