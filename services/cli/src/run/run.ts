/**
 * `sheaf run`, from the checks to the place where it happens. What speaks to the cluster is loaded while the cluster starts:
 * this file imports none of it.
 */
import { invalidArgument } from "@sheaf/runtime";
import type { Call } from "../action.ts";
import { startOwnCluster } from "../cluster/own-cluster.ts";
import { Progress } from "../output/progress.ts";
import { planRun, type RunFlags } from "./options.ts";
import { ownPlace, type Place, sharedPlace } from "./place.ts";
import { prepareResultFolder } from "./result-folder.ts";

export async function run(call: Call, flags: RunFlags, command: readonly string[]): Promise<number> {
  const { host } = call;
  const startedMs = host.clock.now();
  const plan = planRun(flags, command, host.cwd);
  const result = prepareResultFolder(plan.outputDir);
  const quiet = { ...host.stderr, write: () => {} };
  const progress = new Progress(call.json ? quiet : host.stderr, host.clock);
  try {
    const [place, { runIn }] = await Promise.all([placeOf(call, flags.store, progress), import("./run-in.ts")]);
    return await runIn(place, { call, plan, result, progress, startedMs });
  } finally {
    progress.end();
    result.clean();
  }
}

async function placeOf(call: Call, store: string | undefined, progress: Progress): Promise<Place> {
  if (call.address || call.host.env["SHEAF_ADDRESS"]) {
    if (store === undefined) return sharedPlace(call);
    throw invalidArgument(
      "STORE_NOT_OURS",
      "--store is for a cluster that `run` starts; the one at --address or SHEAF_ADDRESS has its own",
    );
  }
  progress.say("starting a cluster: etcd, master and merge");
  return ownPlace(call, startOwnCluster, store, (text) => progress.note(text));
}
