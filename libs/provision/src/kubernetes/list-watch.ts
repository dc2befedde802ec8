/**
 * Follows all objects of one kind. A list is the truth, a watch only a hint that makes us see sooner.
 *
 * W1. What a list does not show is gone, whatever the watch said; a list is made at the start, whenever a watch ends in any way but
 *     by its own time, and every RELIST_MS.
 * W2. A watch is asked to end after WATCH_S, and cut a while later: one that hangs hides nothing for longer than that.
 * W3. 410 (the version is too old) leads to a list at once; any other failure waits, longer each time, with jitter, and at least
 *     as long as the server asked for. Only a watch that held resets the wait.
 * W4. An object that cannot be read is skipped: it never ends the loop for the others. A stream that cannot be read ends the watch (W1).
 */
import { backoff, type Clock, type Random } from "@sheaf/runtime";
import type { Answer, KubeApi, Refused } from "./kube-api.ts";

const PAGE = 500;
const RELIST_MS = 300_000;
const WATCH_S = 50;
const CUT_AFTER_MS = 10_000;
/** A watch that lived so long has held. */
const HELD_MS = 5_000;
const WAIT_BASE_MS = 200;
const WAIT_MAX_MS = 15_000;

export interface ListWatchOptions<T> {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly path: string;
  /** Undefined: all of them. Asked before each list. Throws when it is not known; then the list has failed. */
  readonly selector: (signal: AbortSignal) => Promise<string | Failed | undefined>;
  /** Undefined: it says nothing to us. May throw: then it is skipped. */
  readonly read: (object: unknown) => T | undefined;
  /** All there is. `sent` is what `mark` said when the list was sent off. */
  readonly onList: (all: readonly T[], mark: number) => void;
  readonly onChange: (one: T) => void;
  readonly onGone: (one: T) => void;
  /** It was listed (undefined), or it cannot be, and why. */
  readonly onTrouble: (failed: Failed | undefined) => void;
  readonly onSkipped: (why: string) => void;
  /** A number that grows. */
  readonly mark: () => number;
}

export type Failed = Exclude<Answer, { readonly kind: "ok" }>;

type Ended = { readonly kind: "held"; readonly version: string } | { readonly kind: "relist" } | Failed;

interface ListPage {
  readonly items?: readonly unknown[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

export class ListWatch<T> {
  readonly #options: ListWatchOptions<T>;
  readonly #ending = new AbortController();
  readonly #waits;
  #running: Promise<void> | undefined;

  constructor(options: ListWatchOptions<T>) {
    this.#options = options;
    this.#waits = backoff({ baseMs: WAIT_BASE_MS, capMs: WAIT_MAX_MS, random: options.random });
  }

  /** Once is enough, more is harmless. */
  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#ending;
    let version: string | undefined;
    let listedMs = 0;
    while (!signal.aborted) {
      if (version === undefined || clock.now() - listedMs >= RELIST_MS) {
        const listed = await this.#list();
        if (signal.aborted) return;
        this.#options.onTrouble(listed.kind === "listed" ? undefined : listed);
        if (listed.kind !== "listed") {
          version = undefined;
          await this.#wait(listed);
          continue;
        }
        ({ version } = listed);
        listedMs = clock.now();
      }
      const begun = clock.now();
      const ended = await this.#watch(version);
      if (clock.now() - begun >= HELD_MS) this.#waits.reset(); // W3
      version = ended.kind === "held" ? ended.version : undefined;
      const isHasty = ended.kind === "held" && clock.now() - begun < HELD_MS;
      if (ended.kind !== "relist" && (ended.kind !== "held" || isHasty)) await this.#wait(ended);
    }
  }

  /** W3. */
  async #wait(ended: Ended): Promise<void> {
    const asked = ended.kind === "refused" ? (ended.retryAfterMs ?? 0) : 0;
    await this.#options.clock.sleep(Math.max(this.#waits.next(), asked), this.#ending.signal).catch(() => {});
  }

  async #list(): Promise<{ readonly kind: "listed"; readonly version: string } | Failed> {
    const { api, path, selector, onList, mark } = this.#options;
    const { signal } = this.#ending;
    const labelSelector = await selector(signal);
    if (typeof labelSelector === "object") return labelSelector;
    const query = { limit: String(PAGE), ...(labelSelector !== undefined && { labelSelector }) };
    const sent = mark();
    const all: T[] = [];
    for (let next: string | undefined = ""; next !== undefined; ) {
      const answer = await api.call(
        { method: "GET", path, query: { ...query, ...(next && { continue: next }) } },
        signal,
      );
      if (answer.kind !== "ok") return answer;
      const { items, metadata = {} } = answer.body as ListPage;
      if (!Array.isArray(items) || !metadata.resourceVersion)
        return { kind: "unreachable", why: "its answer is no list" };
      for (const item of items) this.#read(item, (one) => all.push(one));
      next = metadata.continue || undefined;
      if (next !== undefined) continue;
      onList(all, sent);
      return { kind: "listed", version: metadata.resourceVersion };
    }
    throw new Error("a list without a page");
  }

  async #watch(from: string): Promise<Ended> {
    const { api, path, selector, onChange, onGone, random } = this.#options;
    const labelSelector = await selector(this.#ending.signal);
    if (typeof labelSelector === "object") return labelSelector;
    let version = from;
    const seconds = WATCH_S + Math.floor(random.float() * 10); // so that not all loops list together
    const query = {
      resourceVersion: from,
      allowWatchBookmarks: "true",
      timeoutSeconds: String(seconds),
      ...(labelSelector !== undefined && { labelSelector }),
    };
    const onEvent = (event: unknown) => {
      const { type, object } = event as {
        readonly type?: unknown;
        readonly object?: ListPage & { readonly code?: number };
      };
      if (type === "ERROR") throw object?.code === 410 ? new Gone() : new Error("the watch sent an error");
      const at = object?.metadata?.resourceVersion;
      if (type === "ADDED" || type === "MODIFIED") this.#read(object, onChange);
      else if (type === "DELETED") this.#read(object, onGone);
      else if (type !== "BOOKMARK") throw new Error("the watch sent what is no event");
      if (typeof at === "string") version = at;
    };
    let isGone = false;
    const ended = await api.watch(path, query, {
      signal: this.#ending.signal,
      timeoutMs: seconds * 1_000 + CUT_AFTER_MS, // W2
      onEvent: (event) => {
        try {
          onEvent(event);
        } catch (error) {
          isGone ||= error instanceof Gone;
          throw error;
        }
      },
    });
    if (isGone || isGoneAnswer(ended)) return { kind: "relist" }; // W3
    if (ended.kind === "ended") return { kind: "held", version };
    return ended.kind === "broken" ? { kind: "unreachable", why: ended.why } : ended;
  }

  /** W4. */
  #read(object: unknown, use: (one: T) => void): void {
    let one: T | undefined;
    try {
      one = this.#options.read(object);
    } catch (error) {
      this.#options.onSkipped(error instanceof Error ? error.message : String(error));
    }
    if (one !== undefined) use(one);
  }
}

class Gone extends Error {}

function isGoneAnswer(ended: { readonly kind: string }): boolean {
  return ended.kind === "refused" && (ended as Refused).status === 410;
}
