/** A cluster that this process starts and ends: what `dev` and `run` need of it, and no more. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "@sheaf/runtime";
import type { Host } from "../host.ts";

export interface OwnCluster {
  /** Of the public API: "host:port". */
  readonly address: string;
  /** Its folder; gone after the stop when it was temporary. */
  readonly dataDir: string;
  /** Ends every process of it; `graceMs` for them to end by themselves. */
  readonly stop: (graceMs: number) => Promise<void>;
}

export interface OwnClusterOptions {
  /** Kept; default: a temporary folder that is removed at the end. */
  readonly dataDir?: string;
  /** Port of the public API. Default: any free one. */
  readonly port?: number;
  /** Address of its object store; default: a folder of its own. */
  readonly store?: string;
  readonly masterFlags?: readonly string[];
  /** One of its processes ended and is started again. */
  readonly onRestart: (text: string) => void;
  /** Aborted: the start ends, and what has begun is stopped. */
  readonly signal: AbortSignal;
}

/** How a cluster is started; tests give their own. Throws what kept it from starting, and leaves nothing then. */
export type StartCluster = (host: Host, options: OwnClusterOptions) => Promise<OwnCluster>;

/** While it starts there is nothing that a grace would save. */
const ABORTED_GRACE_MS = 300;

export const startOwnCluster: StartCluster = async (host, options) => {
  const { signal, onRestart, port, store, masterFlags } = options;
  const { LocalCluster } = await import("./local-cluster.ts");
  signal.throwIfAborted();
  const ephemeral = options.dataDir === undefined;
  const dataDir = options.dataDir ?? (await mkdtemp(join(temporary(host), "sheaf-")));
  const cluster = new LocalCluster({
    dataDir,
    env: host.env,
    ephemeral,
    ...(port === undefined ? {} : { port }),
    ...(store === undefined ? {} : { store }),
    ...(masterFlags === undefined ? {} : { masterFlags }),
    log: createLogger({ component: "sheaf", env: { SHEAF_LOG_LEVEL: "error", ...host.env } }),
    clock: host.clock,
    random: host.random,
    onRestart: ({ name, why }) => onRestart(`${name}: ${why}; starting it again`),
  });
  const stop = async (graceMs: number): Promise<void> => {
    await cluster.stop({ graceMs });
    if (ephemeral) await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  };
  const onAbort = () => void stop(ABORTED_GRACE_MS).catch(() => {});
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const { address } = await cluster.start();
    signal.throwIfAborted();
    return { address, dataDir, stop };
  } catch (error) {
    await stop(ABORTED_GRACE_MS);
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
};

/** The address of the store that a cluster of its own shall have: that of --store, else that of the environment. */
export function storeOf(flag: string | undefined, { env }: Host): { readonly store?: string } {
  const store = flag ?? env["SHEAF_STORE"];
  return store ? { store } : {};
}

function temporary({ env }: Host): string {
  return env["TMPDIR"] || tmpdir();
}
