// sheaf.api.v1.ClusterService: what runs.

import { create } from "@bufbuild/protobuf";
import type { Etcd } from "@sheaf/etcd";
import { type Dispatcher, type Kept, readRecord } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import type { World } from "../context.ts";
import type { Mirror } from "../mirror/mirror.ts";
import { requireName } from "./names.ts";
import { pageToken, readPage, tokenInvalid } from "./paging.ts";

export interface ClusterServiceDeps {
  readonly world: World;
  readonly cluster: string;
  readonly version: string;
  readonly masters: Mirror<state.ReplicaRecord>;
  readonly mergers: Mirror<state.ReplicaRecord>;
  readonly dispatcher: Pick<Dispatcher, "workers">;
}

export class ClusterService implements Handlers<typeof api.ClusterService> {
  readonly #deps: ClusterServiceDeps;

  constructor(deps: ClusterServiceDeps) {
    this.#deps = deps;
  }

  async inspectCluster(_request: api.InspectClusterRequest) {
    const { world, cluster, version, masters, mergers } = this.#deps;
    return {
      name: cluster,
      version,
      etcdVersion: await etcdVersion(world.etcd),
      store: withoutSecrets(world.store.url),
      replicas: [...this.#replicas("master", masters), ...this.#replicas("merge", mergers)],
    };
  }

  /** By the keys of their sessions, which any master sees; claims are known to the master that they are connected to. */
  async listWorkers(request: api.ListWorkersRequest) {
    const { world, dispatcher } = this.#deps;
    const { keys, etcd } = world;
    const { size, after } = readPage(request.page, "workers");
    const only = request.pipeline === "" ? undefined : requireName("pipeline", request.pipeline);
    if (after !== undefined && !/^[^/]+\/[^/]+$/.test(after)) throw tokenInvalid();
    const from = after === undefined ? undefined : keys.workers() + after;
    const { kvs } = await etcd.list(keys.workers(only));
    const read = kvs.map((kv) => ({ key: kv.key, kept: readRecord(state.WorkerRecordSchema, kv) }));
    const rest = read.filter(({ key, kept }) => !kept.record.starting && (from === undefined || key > from));
    const claims = new Map(dispatcher.workers(only).map((each) => [each.worker, each.claims]));
    const workers = rest.slice(0, size).flatMap(({ key, kept }) => {
      const parsed = keys.parse(key);
      if (parsed?.of !== "worker") return [];
      return [workerView(parsed.pool, parsed.worker, kept, claims.get(parsed.worker) ?? 0)];
    });
    const last = rest[size - 1]?.key.slice(keys.workers().length) ?? "";
    return { workers, nextPageToken: rest.length > size ? pageToken("workers", last) : "" };
  }

  *#replicas(service: string, mirror: Mirror<state.ReplicaRecord>) {
    const { keys } = this.#deps.world;
    const byKey = [...mirror.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    for (const { key, record } of byKey) {
      const parsed = keys.parse(key);
      if (parsed?.of !== "master" && parsed?.of !== "merger") continue;
      const { dispatchAddress: address, programVersion: version, started } = record;
      yield create(api.ReplicaSchema, { id: parsed.id, service, address, version, ...(started && { started }) });
    }
  }
}

function workerView(pipeline: string, id: string, { record }: Kept<state.WorkerRecord>, claims: number): api.Worker {
  const { slots, programVersion: version, started } = record;
  return create(api.WorkerSchema, { id, pipeline, slots, claims, version, ...(started && { started }) });
}

async function etcdVersion(etcd: Etcd): Promise<string> {
  return (await etcd.status()).version;
}

/** The store's URL without what could be a key: user, password, query. */
function withoutSecrets(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  url.username = "";
  url.password = "";
  url.search = "";
  return url.href;
}
