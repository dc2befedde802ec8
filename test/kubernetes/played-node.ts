/**
 * A node that is played: it takes the pods that the scheduler gives it, and writes into their status what a kubelet would write. How a pod
 * goes on is told by its pipeline: `good` ends at once when it is asked to go, `stubborn` at the end of its grace, `crash` by itself.
 */
import { CoreV1Api, KubeConfig, type V1ContainerStatus, type V1Pod } from "@kubernetes/client-node";
import { messageOf, systemClock } from "@sheaf/runtime";

const LOOK_MS = 20;
/** The controllers take a node that says nothing for 50 s for lost. */
const HEARTBEAT_MS = 5_000;

export class PlayedNode {
  readonly api: CoreV1Api;
  readonly #name: string;
  readonly #namespace: string;
  readonly #ending = new AbortController();
  /** When each pod was seen first to be deleted. */
  readonly #goingMs = new Map<string, number>();
  /** Workers whose processes live. */
  readonly #alive = new Set<string>();
  #loop: Promise<void> | undefined;
  /** Its kubelet does nothing. */
  silent = false;
  #isReady = false;
  #saidMs = 0;

  constructor(kubeconfig: string, namespace: string, name = "played") {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    this.api = config.makeApiClient(CoreV1Api);
    this.#name = name;
    this.#namespace = namespace;
  }

  /** Resolves when it takes pods: a node is made with a taint, which the controllers take off some time after it is ready. */
  async start(): Promise<void> {
    await this.api.createNode({ body: { metadata: { name: this.#name } } });
    await this.ready(true);
    while (((await this.api.readNode({ name: this.#name })).spec?.taints ?? []).length > 0)
      await systemClock.sleep(LOOK_MS);
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#loop;
    await this.api.deleteNode({ name: this.#name });
  }

  /** What the node says of itself, again and again while it is ready. */
  async ready(ready: boolean): Promise<void> {
    this.#isReady = ready;
    await this.#report(ready);
  }

  async #report(ready: boolean): Promise<void> {
    const now = new Date();
    this.#saidMs = systemClock.now();
    const amounts = { cpu: "64", memory: "256Gi", pods: "500", "ephemeral-storage": "1000Gi" };
    const condition = {
      type: "Ready",
      status: ready ? "True" : "Unknown",
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    };
    await again(async () => {
      const node = await this.api.readNode({ name: this.#name });
      if (ready !== this.#isReady) return; // another has been said meanwhile
      const status = { capacity: amounts, allocatable: amounts, conditions: [condition] };
      await this.api.replaceNodeStatus({ name: this.#name, body: { ...node, status } });
    });
  }

  lives(worker: string): boolean {
    return this.#alive.has(worker);
  }

  /** The process of a worker ends. */
  async kill(worker: string): Promise<void> {
    this.#alive.delete(worker);
    const name = `sheaf-worker-${worker}`;
    await again(async () => {
      const pod = await this.api.readNamespacedPod({ name, namespace: this.#namespace });
      await this.#say(pod, ended(137));
    });
  }

  async #run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      if (this.#isReady && systemClock.now() - this.#saidMs >= HEARTBEAT_MS) await this.#report(true);
      if (!this.silent) {
        const { items } = await this.api.listNamespacedPod({ namespace: this.#namespace });
        await Promise.all(items.map((pod) => this.#play(pod).catch(() => {}))); // changed meanwhile: the next look sees it
      }
      await systemClock.sleep(LOOK_MS, this.#ending.signal).catch(() => {});
    }
  }

  async #play(pod: V1Pod): Promise<void> {
    const { metadata = {}, spec, status } = pod;
    if (spec?.nodeName !== this.#name) return;
    const pool = metadata.labels?.["sheaf.dev/pipeline"] ?? "";
    const worker = metadata.labels?.["sheaf.dev/worker"] ?? "";
    if (metadata.deletionTimestamp !== undefined) return await this.#end(pod, pool, worker);
    if (status?.phase !== "Pending") return;
    if (pool === "no-image")
      return await this.#say(pod, { phase: "Pending", user: waiting("ErrImagePull", "not found") });
    if (pool === "crash") return await this.#say(pod, ended(3, "out of luck\n"));
    if (!this.#alive.has(worker)) {
      await this.#say(pod, { phase: "Running", agent: { running: { startedAt: new Date() } } });
      this.#alive.add(worker);
    }
  }

  async #end({ metadata = {} }: V1Pod, pool: string, worker: string): Promise<void> {
    const name = metadata.name ?? "";
    const since = this.#goingMs.get(name) ?? systemClock.now();
    this.#goingMs.set(name, since);
    const graceMs = (metadata.deletionGracePeriodSeconds ?? 0) * 1_000;
    if (pool === "stubborn" && systemClock.now() < since + graceMs) return;
    this.#alive.delete(worker);
    await this.api.deleteNamespacedPod({ name, namespace: this.#namespace, body: { gracePeriodSeconds: 0 } });
  }

  async #say(pod: V1Pod, { phase, agent, user }: Said): Promise<void> {
    const status = {
      ...pod.status,
      phase,
      containerStatuses: [
        ...(user ? [containerStatus("user-0", user)] : []),
        ...(agent ? [containerStatus("agent", agent)] : []),
      ],
    };
    const { name = "", namespace = "" } = pod.metadata ?? {};
    await this.api.replaceNamespacedPodStatus({ name, namespace, body: { ...pod, status } });
  }
}

type State = NonNullable<V1ContainerStatus["state"]>;
interface Said {
  readonly phase: string;
  readonly agent?: State;
  readonly user?: State;
}

function ended(exitCode: number, message = ""): Said {
  return { phase: "Running", agent: { terminated: { exitCode, message, reason: "Error" } } };
}

function waiting(reason: string, message: string): State {
  return { waiting: { reason, message } };
}

function containerStatus(name: string, state: State): V1ContainerStatus {
  const image = "no/such:1";
  return { name, image, imageID: "", ready: false, restartCount: 0, state };
}

/** Until nobody else changes it at the same time. */
async function again(change: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await change();
    } catch (error) {
      if (!messageOf(error).includes("Conflict")) throw error;
    }
  }
}
