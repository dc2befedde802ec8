#!/usr/bin/env node
// sheaf-master: serves the public API, owns pipelines (their jobs, plan and process ledgers), and keeps their workers running.

import { connectEtcd, keysOf } from "@sheaf/etcd";
import { openEtcdIdentity, openIdentity, Tokens, watched } from "@sheaf/identity";
import { createDispatcher, dispatchHandlers, openClusterStore, resultVerifier } from "@sheaf/ledger";
import { type api, dispatch } from "@sheaf/proto";
import { implement, serveGrpc, serveHealth, servePublic } from "@sheaf/rpc";
import {
  type Component,
  formatAddress,
  newId,
  refuseWildcard,
  runService,
  systemRandom,
  VERSION,
} from "@sheaf/runtime";
import { JobViews } from "./api/job-views.ts";
import { OwnerCalls } from "./api/owner-calls.ts";
import { Requests } from "./api/requests.ts";
import { apiServices } from "./api/services.ts";
import { settings } from "./config.ts";
import type { World } from "./context.ts";
import { FileUrls } from "./files/file-urls.ts";
import { readPublicUrl } from "./files/public-url.ts";
import { Mirrors } from "./mirror/mirrors.ts";
import { requireOrigins } from "./origins.ts";
import { Owners } from "./pipelines/owners.ts";
import { openPlace } from "./place.ts";
import { limitOf } from "./pools/limit.ts";
import { Pools } from "./pools/pools.ts";
import { Topic } from "./topic.ts";

await runService({
  name: "master",
  summary: "Serves the public API, owns pipelines and their jobs, hands out datums, starts workers.",
  example: "--etcd 127.0.0.1:2379 --store file:///var/lib/sheaf/store --data /var/lib/sheaf",
  settings,
  build: async (config, { log, clock }) => {
    const random = systemRandom;
    refuseWildcard(config.listen, config.advertise, "--advertise");
    refuseWildcard(config.dispatchListen, config.dispatchAdvertise, "--dispatch-advertise");
    const publicUrl = readPublicUrl(config.publicUrl);
    requireOrigins(config.browserOrigins);
    const tls = await openIdentity(config, { role: "master", cluster: config.cluster }, { log, clock });
    const etcdTls = await openEtcdIdentity(config, { log, clock });
    const tokens = config.tokens === undefined ? undefined : await Tokens.open(config.tokens, { log, clock });
    const { place, provisioner } = openPlace(config, { log, clock, random });
    const etcd = await connectEtcd({ addresses: config.etcd, clock, log, ...(etcdTls && { tls: etcdTls }) });
    const keys = keysOf(config.cluster);
    const store = await openClusterStore(config.store, etcd, keys);
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
      ...(tls && { tls }),
    });
    const limit = (spec: api.ParallelismSpec | undefined) =>
      Math.min(config.workersMax, limitOf(spec, provisioner.nodes()));
    const owners = new Owners({ world, pipelines, heads, jobs, live, dispatcher, limit });

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
      tls,
      exists: async (pipeline) => pipeline !== "" && (await etcd.get(keys.pipeline(pipeline))) !== null,
    });
    const fileUrls = new FileUrls({
      world,
      apiUrl: () => publicUrl ?? `${tls ? "https" : "http"}://${apiAddress()}`,
    });
    const apiServer = servePublic({
      ...config.listen,
      log,
      ...(tls && { tls }),
      ...(tokens && { tokens }),
      routes: [fileUrls.route()],
      browserOrigins: config.browserOrigins,
      services: apiServices({
        ...{ world, pipelines, heads, masters, mergers, jobs, live, owners, dispatcher, ownerCalls, fileUrls },
        requests: new Requests(world),
        views: new JobViews({ world, owners, dispatcher, mergers, poolDoing: (name) => pools.doing(name) }),
        cluster: config.cluster,
        version: VERSION,
        failing: (name) => pools.failing(name),
        poolStatus: (name) => pools.status(name),
        drainWorker: (pipeline, worker) => pools.drainWorker(pipeline, worker),
        defaultWorkers: config.defaultWorkers,
        place,
      }),
    });

    const apiAddress = () => formatAddress(config.advertise ?? apiServer.address);
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
    const probes = serveHealth(config.healthListen, apiServer.health, log);
    return [
      ...[closing, ...watched(tls, etcdTls, tokens), probes, mirrors, dispatchServer, apiServer],
      ...[dispatcher, owners, pools, handOver],
    ];
  },
});
