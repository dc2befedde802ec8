// The worker as a service: settings, parts, start and stop.

import type { Worker as Thread } from "node:worker_threads";
import { type KeptTls, openIdentity, watched } from "@sheaf/identity";
import { dispatch } from "@sheaf/proto";
import { grpcClient, HealthBoard, serveHealth } from "@sheaf/rpc";
import { invalidArgument, runService, systemRandom } from "@sheaf/runtime";
import { settings } from "./config.ts";
import { isSpent } from "./scratch/worker-folders.ts";
import type { Connect } from "./session/session.ts";
import { Worker } from "./worker.ts";

/** Owners are masters and merge replicas of the worker's own cluster; no others are spoken to. */
function connector(tls: KeptTls | undefined): Connect {
  const secure = tls && { tls: { kind: "service", own: tls, servers: ["master", "merge"] } as const };
  return (address) => {
    const { rpc, connected, close } = grpcClient(address, dispatch.DispatchService, secure ?? {});
    return { open: () => rpc.session(), connected: connected(), close };
  };
}

/** It names a folder, and stands in logs and listings. */
const ID = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/;

function idOf(given: string | undefined): string {
  const id = given ?? Buffer.from(systemRandom.bytes(16)).toString("hex");
  if (ID.test(id)) return id;
  throw invalidArgument("SETTING_INVALID", `--id is "${id}": use 1 to 64 letters, digits and dashes`);
}

/** Runs the worker until it is told to stop. */
export function runWorker(thread: Thread): Promise<void> {
  return runService({
    name: "worker",
    summary: "Takes work of one pipeline from masters and merge replicas, and does it. Holds no credential of etcd.",
    example:
      "--pool edges --masters 127.0.0.1:7071 --mergers 127.0.0.1:7072 --store file:///srv/sheaf/store --data /srv/sheaf/scratch",
    settings,
    build: async (config, { log, clock, fail, finish }) => {
      const { id, pool, masters, mergers, store, data, slots, userVolume, killGrace } = config;
      if (masters.length + mergers.length === 0) {
        throw invalidArgument("SETTING_INVALID", "a worker needs an owner: give --masters, --mergers or both");
      }
      if (userVolume !== undefined && id !== undefined && isSpent(data, id)) {
        await thread.terminate();
        log.warn({ worker: id }, "the worker of this pod has ended before; this process waits to be told to stop");
        return [];
      }
      const tls = await openIdentity(config, { role: "worker" }, { log, clock });
      const health = new HealthBoard([]);
      const worker = new Worker({
        id: idOf(id),
        pool,
        addresses: { master: masters, merge: mergers },
        store,
        data,
        slots,
        userVolume,
        graceMs: killGrace,
        thread,
        connect: connector(tls),
        clock,
        random: systemRandom,
        log,
        onDrained: finish,
        onFailed: fail,
      });
      const serving = { start: async () => health.setAll(true), stop: async () => health.setAll(false) };
      return [...watched(tls), serveHealth(config.healthListen, health, log), worker, serving];
    },
  });
}
