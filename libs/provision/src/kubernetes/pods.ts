/**
 * What is known of the pods of the workers, and what that means for those who asked for them. No I/O: the loop tells what it has seen, the
 * driver acts.
 *
 * G1. A worker ends when its agent has ended, or its pod is gone. Its end is told once (V4), and never one that was over before the first
 *     list. What is left of its pod is then to be deleted.
 * G2. A pod that was asked to go on a node that is not heard counts as gone when its grace and GONE_AFTER_MS are over: the node's kubelet
 *     has to confirm that a pod has ended, and cannot. It is never force-deleted: its processes may live, and Kubernetes would know
 *     nothing of them any more. What they still do is fenced off by their claims. If it is seen again, it is not counted again.
 * G3. A pod on a node that is not heard keeps its phase, also "Running": that says nothing. Whether the worker lives, its session tells.
 */
import type { Clock } from "@sheaf/runtime";
import type { WorkerExit, WorkerHandle } from "../provisioner.ts";
import type { NodeView } from "./nodes.ts";
import { DELETED, type PodEnd, type PodView } from "./pod-view.ts";

const GONE_AFTER_MS = 10_000;

export interface Entry {
  view: PodView;
  /** The mark under which it was seen first. */
  readonly mark: number;
  /** When it began to run, as far as it was seen. Wall clock. */
  startedMs: number | undefined;
  /** When it was seen first that it shall go. Reading of the clock. */
  goingMs: number | undefined;
  /** We asked it to go. */
  asked: boolean;
  removing: Promise<void> | undefined;
  readonly gone: PromiseWithResolvers<void>;
}

export interface PodsEvents {
  readonly onExit: (exit: WorkerExit) => void;
  /** What `handles` says is new. */
  readonly onChange: () => void;
  /** It has ended, and its pod is still there. */
  readonly onLeftover: (name: string) => void;
}

export class Pods {
  readonly #clock: Clock;
  readonly #nodes: ReadonlyMap<string, NodeView>;
  readonly #events: PodsEvents;
  readonly #entries = new Map<string, Entry>();
  /** Pods whose worker has ended as far as anybody was told. Those that a list does not show are forgotten. */
  readonly #over = new Set<string>();
  #handles: readonly WorkerHandle[] | undefined;
  #mark = 0;
  #isFirst = true;

  constructor(clock: Clock, nodes: ReadonlyMap<string, NodeView>, events: PodsEvents) {
    this.#clock = clock;
    this.#nodes = nodes;
    this.#events = events;
  }

  get(worker: string): Entry | undefined {
    return this.#entries.get(worker);
  }

  /** A list that is sent off now shows all that was there before. */
  mark(): number {
    return ++this.#mark;
  }

  listed(all: readonly PodView[], mark: number): void {
    const names = new Set(all.map(({ name }) => name));
    for (const name of this.#over) if (!names.has(name)) this.#over.delete(name);
    for (const view of all) this.seen(view);
    this.#isFirst = false;
    // One that was made after the list was sent off need not be in it.
    for (const entry of this.#entries.values())
      if (!names.has(entry.view.name) && entry.mark < mark) this.#end(entry, DELETED);
  }

  /** It was created. The watch may have shown it already, and then as it is now. */
  made(view: PodView): void {
    if (!this.#entries.has(view.worker)) this.seen(view);
  }

  /** It is as the API server showed it last. */
  seen(view: PodView): void {
    if (this.#over.has(view.name)) {
      if (view.end !== undefined && view.graceMs === undefined) this.#events.onLeftover(view.name);
      return;
    }
    const known = this.#entries.get(view.worker);
    if (view.end !== undefined) {
      this.#over.add(view.name);
      if (known !== undefined) this.#end({ ...known, view }, view.end);
      // G1: nobody has known it, and nobody is told; unless it came and went so quickly that only its end was seen.
      else if (!this.#isFirst) this.#tell(view, view.end, false);
      if (view.graceMs === undefined) this.#events.onLeftover(view.name);
      return;
    }
    const entry = known ?? this.#add(view);
    const isNew = known === undefined || !alike(entry.view, view);
    entry.view = view;
    if (view.started) entry.startedMs ??= Math.floor(this.#clock.wall());
    if (view.graceMs !== undefined) entry.goingMs ??= this.#clock.now();
    if (isNew) this.#changed();
  }

  /** Its object is gone; this is how it looked last. */
  deleted(view: PodView): void {
    const known = this.#entries.get(view.worker);
    if (known !== undefined) this.#end({ ...known, view }, view.end ?? DELETED);
    this.#over.delete(view.name);
  }

  /** We ask it to go. */
  asked(entry: Entry): void {
    entry.asked = true;
    this.#changed();
  }

  /** G2. Answers whether any is left to look at. */
  giveUp(): boolean {
    let left = false;
    for (const entry of [...this.#entries.values()]) {
      const { goingMs, view } = entry;
      if (goingMs === undefined || view.node === "") continue;
      left = true;
      if (this.#nodes.get(view.node)?.ready !== false) continue;
      if (this.#clock.now() < goingMs + (view.graceMs ?? 0) + GONE_AFTER_MS) continue;
      this.#over.add(view.name);
      this.#end(entry, { ...DELETED, why: `its node ${view.node} does not answer` });
    }
    return left;
  }

  /** Of a node something is new. */
  nodesChanged(): void {
    this.#changed();
  }

  handles(): readonly WorkerHandle[] {
    this.#handles ??= [...this.#entries.values()]
      .map((entry) => this.#handleOf(entry))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    return this.#handles;
  }

  /** Nobody waits for the end of a worker any more. */
  close(reason: Error): void {
    for (const { gone } of this.#entries.values()) gone.reject(reason);
  }

  #add(view: PodView): Entry {
    const gone = Promise.withResolvers<void>();
    gone.promise.catch(() => {}); // closed while nobody waited
    const entry: Entry = {
      ...{ view, mark: this.#mark, gone, asked: false, removing: undefined },
      ...{ startedMs: undefined, goingMs: undefined },
    };
    this.#entries.set(view.worker, entry);
    return entry;
  }

  #end(entry: Entry, end: PodEnd): void {
    const { view, asked, gone } = entry;
    this.#entries.delete(view.worker);
    this.#changed();
    this.#tell(view, end, asked);
    gone.resolve();
  }

  #tell({ worker: id, pool }: PodView, end: PodEnd, asked: boolean): void {
    this.#events.onExit({ id, pool, asked, signal: undefined, ...end });
  }

  #handleOf({ view, asked, startedMs }: Entry): WorkerHandle {
    return {
      id: view.worker,
      pool: view.pool,
      state: this.#stateOf(view, asked, startedMs),
      createdAt: startedMs ?? view.createdMs,
      shape: view.shape,
      trouble: view.trouble,
    };
  }

  #stateOf({ graceMs, node }: PodView, asked: boolean, startedMs: number | undefined): WorkerHandle["state"] {
    if (asked || graceMs !== undefined) return "stopping";
    if (this.#nodes.get(node)?.ready === false) return "unheard"; // G3
    return startedMs === undefined ? "starting" : "running";
  }

  #changed(): void {
    this.#handles = undefined;
    this.#events.onChange();
  }
}

function alike(a: PodView, b: PodView): boolean {
  return a.trouble === b.trouble && a.started === b.started && a.graceMs === b.graceMs && a.node === b.node;
}
