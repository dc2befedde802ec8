/** Where a run takes place: a cluster of its own that ends with it, or one that is there and keeps nothing of it. */
import type { SheafClient } from "@sheaf/client";
import { isLoopback, messageOf, newId, parseAddress, SheafError } from "@sheaf/runtime";
import type { Call } from "../action.ts";
import { type StartCluster, storeOf } from "../cluster/own-cluster.ts";
import type { RunNames } from "./run-job.ts";

/** How a run ended, as far as the cluster is concerned. */
export type Ending = "succeeded" | "failed" | "broken off";

export interface Place {
  readonly client: SheafClient;
  readonly names: RunNames;
  /** Folder that commands start in; empty: the datum's own. */
  readonly workingDir: string;
  /** Clears away what the run made. Returns lines for the user: what is left, and why. Never throws. */
  readonly leave: (ending: Ending) => Promise<string[]>;
}

/** Nothing of a temporary cluster is worth waiting for once its job is over. */
const GRACE_MS: Readonly<Record<Ending, number>> = { succeeded: 0, failed: 0, "broken off": 500 };
/** Ctrl-C has to be over in 3 s. */
const LEAVE_MS = 2_000;
/** The contract's limit of working_dir. */
const WORKING_DIR_BYTES_MAX = 1_024;

export async function ownPlace(
  call: Call,
  start: StartCluster,
  store: string | undefined,
  say: (text: string) => void,
): Promise<Place> {
  const { host, signal } = call;
  const client = import("@sheaf/client"); // loaded while the cluster starts
  const cluster = await start(host, { signal, ...storeOf(store, host), onRestart: say });
  await client;
  return {
    client: await call.connectToOwn(cluster.address),
    names: { repo: "input", pipeline: "run" },
    workingDir: usable(host.cwd),
    leave: async (ending) => {
      try {
        await cluster.stop(GRACE_MS[ending]);
        return [];
      } catch (error) {
        return [`the cluster did not end cleanly: ${messageOf(error)}; its folder was ${cluster.dataDir}`];
      }
    },
  };
}

export async function sharedPlace(call: Call): Promise<Place> {
  const { host } = call;
  const client = await call.connect();
  const pipeline = `run-${newId(host.random, host.clock)}`;
  const names = { pipeline, repo: `${pipeline}-in` };
  return {
    client,
    names,
    workingDir: isOnThisMachine(client.address) ? usable(host.cwd) : "",
    leave: (ending) => (ending === "failed" ? keep(client, names) : remove(client, names)),
  };
}

/** The logs of a failed job are worth keeping, its workers are not. */
async function keep({ rpc }: SheafClient, { pipeline, repo }: RunNames): Promise<string[]> {
  await rpc.pipeline.stopPipeline({ name: pipeline }, { timeoutMs: LEAVE_MS }).catch(() => {});
  return [
    `its logs: sheaf datum logs ${pipeline}`,
    `when you are done with them: sheaf pipeline delete ${pipeline} && sheaf repo delete ${repo}`,
  ];
}

async function remove({ rpc }: SheafClient, { pipeline, repo }: RunNames): Promise<string[]> {
  const options = { timeoutMs: LEAVE_MS };
  try {
    await rpc.pipeline.deletePipeline({ name: pipeline }, options).catch(ifGone);
    await rpc.repo.deleteRepo({ name: repo }, options).catch(ifGone);
    return [];
  } catch (error) {
    return [
      `pipeline ${pipeline} and repo ${repo} are still there (${messageOf(error)}): delete them with sheaf pipeline delete and sheaf repo delete`,
    ];
  }
}

function ifGone(error: unknown): void {
  if (!(error instanceof SheafError && error.code === "NOT_FOUND")) throw error;
}

/** A relative path in a command means what it means where the user stands, when the workers are there too. */
function usable(folder: string): string {
  return Buffer.byteLength(folder) <= WORKING_DIR_BYTES_MAX ? folder : "";
}

function isOnThisMachine(address: string): boolean {
  const parsed = parseAddress(address);
  return "value" in parsed && isLoopback(parsed.value.host);
}
