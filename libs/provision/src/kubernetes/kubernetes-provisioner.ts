/**
 * Workers as bare pods of a Kubernetes cluster, in one namespace. One list and one watch serve all pools, and one each the nodes; a
 * request per pod is made only to create it and to delete it, at a bounded pace (pace.ts).
 *
 * V1 holds by the pod's name, which is the worker's id; V3 by labels. Pods are owned by a ConfigMap in their namespace, which the manifests
 * make: when the installation is deleted, Kubernetes deletes what is left of its workers, whoever was alive to do it. An owner in another
 * namespace would have Kubernetes delete them at once. Its uid is read and not set, since it is not known before the object exists.
 */
import { createHash } from "node:crypto";
import {
  type Clock,
  cancelled,
  failedPrecondition,
  type Logger,
  messageOf,
  type Random,
  type Timer,
} from "@sheaf/runtime";
import type { Provisioner, WorkerExit, WorkerForm, WorkerHandle, WorkerSpec } from "../provisioner.ts";
import { type KubeApi, type KubeRequest, kubeApi } from "./kube-api.ts";
import { type Installation, LABELS, podName, selectorOf } from "./labels.ts";
import { type Failed, ListWatch } from "./list-watch.ts";
import { countOf, type NodeView, nodeView } from "./nodes.ts";
import { Pace } from "./pace.ts";
import { type PodSettings, podOf } from "./pod.ts";
import { type PodView, viewOf } from "./pod-view.ts";
import { Pods } from "./pods.ts";
import { isPassing, refusal } from "./refusals.ts";

export interface KubernetesProvisionerOptions extends PodSettings {
  /** Name of the ConfigMap that owns the pods. */
  readonly installation: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Default: by KUBECONFIG, or as the pod that we run in. */
  readonly api?: KubeApi;
}

export function kubernetesProvisioner(options: KubernetesProvisionerOptions): Provisioner {
  return new KubernetesProvisioner(options);
}

/** How long a create or a delete is tried again while the API server cannot be reached or is busy. */
const TRY_MS = 10_000;
const TRY_WAIT_MS = 500;
/** How long `list` waits for the first list. */
const FIRST_LIST_MS = 5_000;
/** How often pods that shall go are looked at (G2). */
const GIVE_UP_LOOK_MS = 1_000;
/** A shorter grace than a second would delete the pod by force. */
const GRACE_S_MIN = 1;
const SHAPE_CHARS = 16;

class KubernetesProvisioner implements Provisioner {
  readonly #options: KubernetesProvisionerOptions;
  readonly #api: KubeApi;
  readonly #pace: Pace;
  readonly #pods: Pods;
  readonly #nodes = new Map<string, NodeView>();
  readonly #loops: readonly Pick<ListWatch<unknown>, "start" | "stop">[];
  readonly #exits = new Set<(exit: WorkerExit) => void>();
  readonly #changes = new Set<() => void>();
  readonly #creating = new Map<string, Promise<void>>();
  readonly #shapes = new WeakMap<object, string>();
  readonly #deleting = new Set<string>();
  readonly #ending = new AbortController();
  #installation: Installation | undefined;
  #nodeCount = 1;
  /** Why pods, and nodes, could not be listed the last time. */
  readonly #failed: { pods: Failed | undefined; nodes: Failed | undefined } = { pods: undefined, nodes: undefined };
  readonly #listed = { pods: false, nodes: false };
  /** All was listed, or something could not be. */
  readonly #answered = Promise.withResolvers<void>();
  #isReady = false;
  #giveUpTimer: Timer | undefined;

  constructor(options: KubernetesProvisionerOptions) {
    this.#options = options;
    this.#api = options.api ?? kubeApi(async () => (await import("./load-config.ts")).loadConfig());
    this.#pace = new Pace(options.clock);
    this.#pods = new Pods(options.clock, this.#nodes, {
      onExit: (exit) => {
        for (const fn of [...this.#exits]) fn(exit); // V4
      },
      onChange: () => this.#changed(),
      onLeftover: (name) => void this.#clear(name),
    });
    this.#loops = [this.#podLoop(), this.#nodeLoop()];
  }

  /** Waits for the first list, of nodes too: before it nobody knows how many there are. Throws what kept it away. */
  async list(): Promise<readonly WorkerHandle[]> {
    await this.#ready();
    return this.#pods.handles();
  }

  async create(pool: string, spec: WorkerSpec): Promise<void> {
    if (!/^[0-9a-z]([-0-9a-z]{0,46}[0-9a-z])?$/.test(spec.id))
      throw failedPrecondition("WORKER_ID_BAD", `"${spec.id}" is no id of a worker`);
    await this.#ready();
    if (this.#pods.get(spec.id) !== undefined) return; // V1
    let creating = this.#creating.get(spec.id);
    if (creating === undefined) {
      creating = this.#create(pool, spec).finally(() => this.#creating.delete(spec.id));
      this.#creating.set(spec.id, creating);
    }
    await creating;
  }

  async remove(id: string, { graceMs }: { readonly graceMs: number }): Promise<void> {
    await this.#ready();
    await this.#creating.get(id)?.catch(() => {});
    const entry = this.#pods.get(id);
    if (entry === undefined) return; // V2
    this.#pods.asked(entry);
    entry.removing ??= this.#delete(entry.view.name, Math.max(GRACE_S_MIN, Math.ceil(graceMs / 1_000)));
    await entry.removing.catch((error: unknown) => {
      entry.removing = undefined; // the next call tries again
      throw error;
    });
    await entry.gone.promise;
  }

  nodes(): number {
    return this.#nodeCount;
  }

  shapeOf(form: WorkerForm): string {
    const known = this.#shapes.get(form.needs);
    if (known?.startsWith(`${form.slots}-`)) return known;
    // Of what all its workers have: ids and addresses come and go.
    const pod = podOf(this.#options, "", { ...form, id: "", masters: [], mergers: [], store: "" });
    const hash = createHash("sha256").update(JSON.stringify(pod)).digest("hex").slice(0, SHAPE_CHARS);
    const shape = `${form.slots}-${hash}`;
    this.#shapes.set(form.needs, shape);
    return shape;
  }

  onChange(fn: () => void): () => void {
    this.#changes.add(fn);
    return () => this.#changes.delete(fn);
  }

  onExit(fn: (exit: WorkerExit) => void): () => void {
    this.#exits.add(fn);
    return () => this.#exits.delete(fn);
  }

  async close(): Promise<void> {
    const closed = cancelled("CLOSED", "the provisioner is closed");
    this.#ending.abort(closed);
    this.#exits.clear();
    this.#changes.clear();
    this.#giveUpTimer?.cancel();
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    await Promise.allSettled(this.#creating.values());
    this.#pods.close(closed); // V5
    this.#api.close();
  }

  async #ready(): Promise<void> {
    const { clock, namespace } = this.#options;
    this.#ending.signal.throwIfAborted();
    if (this.#isReady) return;
    for (const loop of this.#loops) loop.start();
    const waiting = new AbortController();
    const ended = AbortSignal.any([waiting.signal, this.#ending.signal]);
    await Promise.race([this.#answered.promise, clock.sleep(FIRST_LIST_MS, ended)]).finally(() => waiting.abort());
    if (this.#isReady) return;
    const failed = this.#failed.pods ?? this.#failed.nodes ?? { kind: "unreachable", why: "it did not answer in time" };
    throw refusal(`list the workers in namespace ${namespace}`, failed);
  }

  async #create(pool: string, spec: WorkerSpec): Promise<void> {
    const { namespace, log } = this.#options;
    const pod = podOf(this.#options, pool, spec);
    const owner = this.#installation;
    if (owner === undefined) throw failedPrecondition("NO_INSTALLATION", "the pods' owner is not known");
    const labels = { ...pod.metadata?.labels, [LABELS.shape]: this.shapeOf(spec), [LABELS.installation]: owner.uid };
    const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", ...owner }];
    const body = { ...pod, metadata: { ...pod.metadata, labels, ownerReferences } };
    const request = { method: "POST", path: this.#path(), body } as const;
    const made = await this.#write(`create a worker's pod in namespace ${namespace}`, request, [409]);
    // V1: it is there already, since an answer was lost. It counts from now on, so that its end is told, whatever a list shows.
    this.#pods.made(viewOf(made ?? body));
    log.debug({ worker: spec.id, pool, pod: podName(spec.id) }, "worker: its pod was created");
  }

  /** Resolves when it was asked to go, or is gone. */
  async #delete(name: string, gracePeriodSeconds: number): Promise<void> {
    const request = { method: "DELETE", path: this.#path(name), body: { gracePeriodSeconds } } as const;
    await this.#write(`delete pod ${name}`, request, [404, 409]);
  }

  /** What is left of a worker that has ended, and was told. What cannot be deleted now the next list shows again. */
  async #clear(name: string): Promise<void> {
    if (this.#deleting.has(name)) return;
    this.#deleting.add(name);
    try {
      await this.#delete(name, GRACE_S_MIN);
    } catch (error) {
      if (!this.#ending.signal.aborted)
        this.#options.log.warn({ pod: name }, `an ended pod stays: ${messageOf(error)}`);
    } finally {
      this.#deleting.delete(name);
    }
  }

  /** Undefined: it was refused with a status that says that it is done. Throws other refusals, at once or after TRY_MS. */
  async #write(doing: string, request: KubeRequest, done: readonly number[]): Promise<unknown> {
    const { clock } = this.#options;
    const { signal } = this.#ending;
    const untilMs = clock.now() + TRY_MS;
    for (;;) {
      const answer = await this.#pace.run(() => this.#api.call(request, signal), signal);
      signal.throwIfAborted();
      if (answer.kind === "ok") return answer.body;
      if (answer.kind === "refused" && done.includes(answer.status)) return undefined;
      const waitMs = answer.kind === "refused" ? (answer.retryAfterMs ?? TRY_WAIT_MS) : TRY_WAIT_MS;
      if (answer.kind === "refused" && answer.status === 429) this.#pace.pauseFor(waitMs);
      if (!isPassing(answer) || clock.now() + waitMs > untilMs) throw refusal(doing, answer);
      await clock.sleep(waitMs, signal);
    }
  }

  #podLoop(): ListWatch<PodView> {
    const { cluster, clock, random, log, namespace } = this.#options;
    return new ListWatch<PodView>({
      ...{ api: this.#api, clock, random, path: this.#path(), read: viewOf, mark: () => this.#pods.mark() },
      selector: async (signal) => {
        const owner = await this.#findInstallation(signal);
        return "kind" in owner ? owner : selectorOf(cluster, owner);
      },
      onList: (all, mark) => this.#pods.listed(all, mark),
      onChange: (view) => this.#pods.seen(view),
      onGone: (view) => this.#pods.deleted(view),
      onTrouble: (failed) => this.#heard("pods", `list the workers in namespace ${namespace}`, failed),
      onSkipped: (why) => log.warn({ namespace }, `a pod that cannot be read: ${why}`),
    });
  }

  #nodeLoop(): ListWatch<NodeView> {
    const { clock, random, log } = this.#options;
    const changed = () => {
      this.#nodeCount = countOf(this.#nodes.values());
      this.#pods.nodesChanged();
    };
    return new ListWatch<NodeView>({
      ...{ api: this.#api, clock, random, path: "/api/v1/nodes", read: nodeView, mark: () => 0 },
      selector: async () => undefined,
      onList: (all) => {
        this.#nodes.clear();
        for (const node of all) this.#nodes.set(node.name, node);
        changed();
      },
      onChange: (node) => {
        const before = this.#nodes.get(node.name);
        this.#nodes.set(node.name, node);
        if (before?.ready !== node.ready || before.open !== node.open) changed();
      },
      onGone: ({ name }) => {
        if (this.#nodes.delete(name)) changed();
      },
      onTrouble: (failed) => this.#heard("nodes", "list the nodes", failed),
      onSkipped: (why) => log.warn({}, `a node that cannot be read: ${why}`),
    });
  }

  #heard(what: "pods" | "nodes", doing: string, failed: Failed | undefined): void {
    const before = this.#failed[what];
    this.#failed[what] = failed;
    const { log } = this.#options;
    if (failed === undefined) {
      this.#nowListed(what);
      if (before !== undefined) log.info({}, `kubernetes: can ${doing} again`);
      return;
    }
    if (before === undefined) log.warn({}, messageOf(refusal(doing, failed)));
    // Whoever is not allowed to see nodes counts them as one, and goes on.
    if (what === "nodes" && failed.kind === "refused" && failed.status === 403) this.#nowListed(what);
    else this.#answered.resolve();
  }

  #nowListed(what: "pods" | "nodes"): void {
    this.#listed[what] = true;
    this.#isReady = this.#listed.pods && this.#listed.nodes;
    if (this.#isReady) this.#answered.resolve();
  }

  /** Read with each list: when it was made anew, its pods are gone, and new ones belong to the new one. */
  async #findInstallation(signal: AbortSignal): Promise<Installation | Failed> {
    const { namespace, installation: name } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/configmaps/${name}`;
    const answer = await this.#api.call({ method: "GET", path }, signal);
    if (answer.kind !== "ok") return answer;
    const { uid } = (answer.body as { readonly metadata?: { readonly uid?: unknown } }).metadata ?? {};
    if (typeof uid !== "string") return { kind: "unreachable", why: "its answer is no ConfigMap" };
    this.#installation = { name, uid };
    return this.#installation;
  }

  #changed(): void {
    for (const fn of [...this.#changes]) fn();
    if (this.#giveUpTimer === undefined && !this.#ending.signal.aborted) this.#lookForLost();
  }

  /** G2: time alone changes it. */
  #lookForLost(): void {
    if (!this.#pods.giveUp()) return;
    this.#giveUpTimer = this.#options.clock.timer(GIVE_UP_LOOK_MS, () => {
      this.#giveUpTimer = undefined;
      if (!this.#ending.signal.aborted) this.#lookForLost();
    });
  }

  #path(name?: string): string {
    const base = `/api/v1/namespaces/${this.#options.namespace}/pods`;
    return name === undefined ? base : `${base}/${name}`;
  }
}
