// sheaf.api.v1.ClusterService: what runs.

import { create } from "@bufbuild/protobuf";
import type { Etcd } from "@sheaf/etcd";
import { type ConnectedWorker, type Dispatcher, readRecord } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import { invalidArgument, notFound, unavailable } from "@sheaf/runtime";
import type { World } from "../context.ts";
import type { Mirror } from "../mirror/mirror.ts";
import { findPipeline } from "./find-pipeline.ts";
import { checkWorker, requireName } from "./names.ts";
import { pageToken, readPage, tokenInvalid } from "./paging.ts";
import { Violations } from "./violations.ts";

export interface ClusterServiceDeps {
  readonly world: World;
  readonly cluster: string;
  readonly version: string;
  readonly masters: Mirror<state.ReplicaRecord>;
  readonly mergers: Mirror<state.ReplicaRecord>;
  readonly dispatcher: Pick<Dispatcher, "workers">;
  /** Has a worker finish what it runs, and go. False: it is not connected to this master. */
  readonly drainWorker: (pipeline: string, worker: string) => boolean;
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

  /** By the keys of their sessions, which any master sees; the rest is known to the master that they are connected to. */
  async listWorkers(request: api.ListWorkersRequest) {
    const { keys } = this.#deps.world;
    const { size, after } = readPage(request.page, "workers");
    const only = request.pipeline === "" ? undefined : requireName("pipeline", request.pipeline);
    if (after !== undefined && !/^[^/]+\/[^/]+$/.test(after)) throw tokenInvalid();
    const from = after === undefined ? undefined : keys.workers() + after;
    const rest = (await this.#workers(only)).filter(({ key }) => from === undefined || key > from);
    const last = rest[size - 1]?.key.slice(keys.workers().length) ?? "";
    const workers = rest.slice(0, size).map(({ worker }) => worker);
    return { workers, nextPageToken: rest.length > size ? pageToken("workers", last) : "" };
  }

  async drainWorker(request: api.DrainWorkerRequest) {
    const { world, drainWorker } = this.#deps;
    const pipeline = requireName("pipeline", request.pipeline);
    const { worker: named } = request;
    const all = await this.#workers(pipeline);
    const worker = theOnly(
      all.map((each) => each.worker),
      named,
    );
    if (worker === undefined) {
      await findPipeline(world, pipeline);
      const text = `pipeline "${pipeline}" has no worker "${named}": sheaf worker list ${pipeline} shows those that are connected`;
      throw notFound("WORKER_NOT_FOUND", text);
    }
    if (!drainWorker(pipeline, worker.id)) {
      const text = `worker ${worker.id} is not connected now, and may be back in a moment: try again`;
      throw unavailable("WORKER_AWAY", text, { retryDelayMs: 1_000 });
    }
    return { worker: { ...worker, draining: true } };
  }

  /** Those that have a session, by key. */
  async #workers(only: string | undefined): Promise<{ readonly key: string; readonly worker: api.Worker }[]> {
    const { world, dispatcher } = this.#deps;
    const { kvs } = await world.etcd.list(world.keys.workers(only));
    const sessions = new Map(dispatcher.workers(only).map((each) => [each.worker, each]));
    return kvs.flatMap((kv) => {
      const parsed = world.keys.parse(kv.key);
      const { record } = readRecord(state.WorkerRecordSchema, kv);
      if (parsed?.of !== "worker" || record.starting) return [];
      return [{ key: kv.key, worker: workerView(parsed.pool, parsed.worker, record, sessions.get(parsed.worker)) }];
    });
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

/** The worker of this id, which may be short, or the only one whose id begins so. Else INVALID_ARGUMENT. */
function theOnly(workers: readonly api.Worker[], named: string): api.Worker | undefined {
  const exact = workers.find(({ id }) => id === named);
  if (exact !== undefined) return exact;
  const violations = new Violations();
  checkWorker(violations, "worker", named);
  violations.throwIfAny("WORKER_INVALID", "the request is not valid");
  const [found, another] = workers.filter(({ id }) => id.startsWith(named));
  if (another === undefined) return found;
  throw invalidArgument("WORKER_AMBIGUOUS", `several workers have ids that begin with ${named}: give more of it`);
}

function workerView(
  pipeline: string,
  id: string,
  { slots, programVersion: version, started }: state.WorkerRecord,
  session: ConnectedWorker | undefined,
): api.Worker {
  const { claims = 0, draining = false } = session ?? {};
  return create(api.WorkerSchema, { id, pipeline, slots, claims, draining, version, ...(started && { started }) });
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
