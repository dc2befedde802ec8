#!/usr/bin/env node
// sheaf-merge: cuts the output of jobs into shards, has them merged by the workers, and publishes the result.

import { connectEtcd, keysOf } from "@sheaf/etcd";
import { openEtcdIdentity, openIdentity, watched } from "@sheaf/identity";
import { createDispatcher, dispatchHandlers, openClusterStore, resultVerifier } from "@sheaf/ledger";

import { dispatch } from "@sheaf/proto";
import { implement, serveGrpc, serveHealth } from "@sheaf/rpc";
import {
  type Component,
  formatAddress,
  invalidArgument,
  newId,
  refuseWildcard,
  runService,
  systemRandom,
  VERSION,
} from "@sheaf/runtime";
import { settings } from "./config.ts";
import { Merges } from "./merges.ts";

await runService({
  name: "merge",
  summary: "Merges the output of jobs: cuts it into shards, hands them to workers, publishes the commit.",
  example: "--etcd 127.0.0.1:2379 --store file:///var/lib/sheaf",
  settings,
  build: async (config, { log, clock }) => {
    const random = systemRandom;
    if (config.shardBytesMin < 1 || config.shardBytesMin > config.shardBytesMax) {
      const { shardBytesMin: min, shardBytesMax: max } = config;
      const text = `--shard-bytes-min is ${min} bytes, --shard-bytes-max ${max}: use at least 1, and a minimum that is no more than the maximum`;
      throw invalidArgument("SETTING_INVALID", text);
    }
    refuseWildcard(config.dispatchListen, config.dispatchAdvertise, "--dispatch-advertise");
    const tls = await openIdentity(config, { role: "merge", cluster: config.cluster }, { log, clock });
    const etcdTls = await openEtcdIdentity(config, { log, clock });
    const etcd = await connectEtcd({ addresses: [...config.etcd], clock, log, ...(etcdTls && { tls: etcdTls }) });
    const keys = keysOf(config.cluster);
    const store = await openClusterStore(config.store, etcd, keys);
    const replica = newId(random, clock);
    const dispatcher = createDispatcher({
      etcd,
      keys,
      clock,
      random,
      log,
      replica,
      role: "merge",
      version: VERSION,
      verify: resultVerifier(store),
      addresses: () => ({ dispatchAddress: address(), apiAddress: "" }),
    });
    const { host, port } = config.dispatchListen;
    const services = [implement(dispatch.DispatchService, dispatchHandlers(dispatcher))];
    const server = serveGrpc({ host, port, services, log, ...(tls && { tls }) });
    const probes = serveHealth(config.healthListen, server.health, log);
    const address = () => formatAddress(config.dispatchAdvertise ?? server.address);
    const merges = new Merges({
      etcd,
      store,
      keys,
      clock,
      log,
      random,
      dispatcher,
      shardSize: { shardBytesMin: config.shardBytesMin, shardBytes: config.shardBytesMax },
    });
    const tellReady: Component = {
      start: async () => void process.stdout.write(`${JSON.stringify({ ready: true, address: address() })}\n`),
      // First of all: merges go to another replica at once, not when the last stream has ended.
      drain: async () => {
        await dispatcher.withdraw();
        await merges.stop();
        await dispatcher.stop();
      },
      stop: () => dispatcher.withdraw(),
    };
    const closing: Component = {
      start: async () => {},
      stop: async () => {
        await etcd.close();
        await store.close();
      },
    };
    return [closing, ...watched(tls, etcdTls), probes, server, dispatcher, merges, tellReady];
  },
});
