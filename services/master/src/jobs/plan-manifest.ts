import { getMessage, objectOf } from "@sheaf/files";
import type { DoneInterval } from "@sheaf/ledger";
import { store } from "@sheaf/proto";
import { SheafError } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";

export type PlanRead =
  | { readonly kind: "plan"; readonly ref: store.ObjectRef; readonly manifest: store.PlanManifest }
  /** What a worker committed as the plan is not one, or is not what it committed. */
  | { readonly kind: "broken"; readonly message: string };

/** Reads the result of the plan ledger. Throws when the store cannot be reached. */
export async function readPlan(source: Store, job: string, done: readonly DoneInterval[]): Promise<PlanRead> {
  const [first] = done;
  if (first === undefined) return { kind: "broken", message: "the plan ledger is complete and holds nothing" };
  const ref = objectOf(first.result);
  try {
    const manifest = await getMessage(source, store.PlanManifestSchema, ref);
    const wrong = whatIsWrong(manifest, job);
    return wrong === undefined
      ? { kind: "plan", ref, manifest }
      : { kind: "broken", message: `the plan ${ref.key} ${wrong}` };
  } catch (error) {
    // A plan that was tampered with, or lost, is never worked from.
    if (error instanceof SheafError && error.code === "DATA_LOSS") return { kind: "broken", message: error.message };
    throw error;
  }
}

function whatIsWrong({ version, header, chunks, datums }: store.PlanManifest, job: string): string | undefined {
  if (version !== 1) return `has version ${version}; this program reads version 1`;
  if (header?.job !== job) return `is that of job ${header?.job}`;
  let covered = 0n;
  for (const { from, to, object } of chunks) {
    if (from !== covered || to <= from || object === undefined)
      return `has a part [${from}, ${to}) after [0, ${covered})`;
    covered = to;
  }
  return covered === datums ? undefined : `has parts for ${covered} datums, and says ${datums}`;
}
