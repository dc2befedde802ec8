#!/usr/bin/env node
// sheaf-master: serves the public API, owns pipelines (their jobs, plan and process ledgers), and keeps their workers running.

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { connectEtcd, keysOf } from "@sheaf/etcd";
import { createDispatcher, dispatchHandlers, resultVerifier } from "@sheaf/ledger";
import { type api, dispatch } from "@sheaf/proto";
import { localProvisioner } from "@sheaf/provision";
import { implement, serveGrpc, servePublic } from "@sheaf/rpc";
import { type Component, formatAddress, newId, runService, systemRandom } from "@sheaf/runtime";
import { openStore } from "@sheaf/storage";
import { JobViews } from "./api/job-views.ts";
import { OwnerCalls } from "./api/owner-calls.ts";
import { Requests } from "./api/requests.ts";
import { apiServices } from "./api/services.ts";
import { settings } from "./config.ts";
import type { World } from "./context.ts";
import { FileUrls } from "./files/file-urls.ts";
import { Mirrors } from "./mirror/mirrors.ts";
import { Owners } from "./pipelines/owners.ts";
import { limitOf } from "./pools/limit.ts";
import { Pools } from "./pools/pools.ts";
import { Topic } from "./topic.ts";

const VERSION = "0.1.0";
/** Where the worker stands in the repository and in the image; it is started, never imported. */
const WORKER_PROGRAM = fileURLToPath(new URL("../../worker/src/main.ts", import.meta.url));

await runService({
  name: "master",
  summary: "Serves the public API, owns pipelines and their jobs, hands out datums, starts workers.",
  example: "--etcd 127.0.0.1:2379 --store file:///var/lib/sheaf/store --data /var/lib/sheaf",
  settings,
  build: async (config, { log, clock }) => {
    const random = systemRandom;
    const store = await openStore(config.store);
    const etcd = await connectEtcd({ addresses: config.etcd, clock, log });
    const keys = keysOf(config.cluster);
    const world: World = { etcd, keys, store, clock, random, log };
    const replica = newId(random, clock);
    const mirrors = new Mirrors(world);
    const { pipelines, heads, masters, mergers, jobs } = mirrors;
    const live = new Topic();

    const dispatcher = createDispatcher({
      ...world,
      replica,
      role: "master",
      version: VERSION,
      verify: resultVerifier(store),
      addresses: () => ({ dispatchAddress: dispatchAddress(), apiAddress: apiAddress() }),
    });
    const dispatchServer = serveGrpc({
      ...config.dispatchListen,
      services: [implement(dispatch.DispatchService, dispatchHandlers(dispatcher))],
      log,
    });
    const limit = (spec: api.ParallelismSpec | undefined) =>
      Math.min(config.workersMax, limitOf(spec, provisioner.nodes()));
    const owners = new Owners({ world, pipelines, heads, jobs, live, dispatcher, limit });

    const provisioner = localProvisioner({
      dataDir: resolve(config.data),
      nodes: config.nodes,
      workerProgram: { argv: [process.execPath, config.workerProgram ?? WORKER_PROGRAM] },
      env: process.env,
      log,
      clock,
    });
    const pools = new Pools({
      world,
      provisioner,
      dispatcher,
      pipelines,
      jobs,
      mergers,
      owners,
      limit,
      workersMax: config.workersMax,
      addresses: () => {
        // This one first: it owns what it starts workers for.
        const known = [dispatchAddress(), ...Mirrors.dispatchAddresses(masters)];
        const given = config.mergeDispatch;
        const found = given.length > 0 ? given : Mirrors.dispatchAddresses(mergers);
        return { masters: [...new Set(known)], mergers: found };
      },
      changed: (pool) => {
        for (const id of jobs.open(pool)) live.changed(keys.job(pool, id));
      },
    });

    const ownerCalls = new OwnerCalls({
      clock,
      dispatcher,
      exists: async (pipeline) => pipeline !== "" && (await etcd.get(keys.pipeline(pipeline))) !== null,
    });
    const fileUrls = new FileUrls({ world, apiUrl: () => `http://${apiAddress()}` });
    const apiServer = servePublic({
      ...config.listen,
      log,
      routes: [fileUrls.route()],
      browserOrigins: config.browserOrigins,
      services: apiServices({
        ...{ world, pipelines, heads, masters, mergers, jobs, live, owners, dispatcher, ownerCalls, fileUrls },
        requests: new Requests(world),
        views: new JobViews({ etcd, owners, dispatcher, mergers, poolDoing: (name) => pools.doing(name) }),
        cluster: config.cluster,
        version: VERSION,
        failing: (name) => pools.failing(name),
        poolStatus: (name) => pools.status(name),
        defaultWorkers: config.defaultWorkers,
      }),
    });

    const apiAddress = () => formatAddress(apiServer.address);
    const dispatchAddress = () => formatAddress(config.dispatchAdvertise ?? dispatchServer.address);
    const closing: Component = {
      start: async () => {},
      stop: async () => {
        ownerCalls.close();
        await provisioner.close();
        await etcd.close();
        await store.close();
      },
    };
    const handOver: Component = {
      start: async () => {
        const ready = { ready: true, address: apiAddress(), dispatch: dispatchAddress() };
        process.stdout.write(`${JSON.stringify(ready)}\n`);
      },
      // Before anything else: pipelines go to another replica at once, not when the last call has ended.
      drain: async () => {
        apiServer.health.setAll(false);
        await dispatcher.withdraw();
        await pools.stop();
        await owners.stop();
        await dispatcher.stop();
      },
      stop: () => dispatcher.withdraw(),
    };
    return [...[closing, mirrors, dispatchServer, apiServer], ...[dispatcher, owners, pools, handOver]];
  },
});
