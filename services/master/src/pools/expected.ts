// Workers that other masters started, and that have a key in etcd, of their session with the last owner or of their start: they are on
// their way here (P5 of decide.ts). Asked for a pipeline that was taken a short while ago; read for all pipelines at once, and at most
// once a second unless one was taken since.

import { messageOf } from "@sheaf/runtime";
import type { World } from "../context.ts";

/** The keys outlive the owner by the TTL of their lease: 15 s for a session, 20 s for a start. No longer. */
const EXPECTED_MS_MAX = 25_000;
const READ_AGAIN_MS = 1_000;

export class Expected {
  readonly #world: World;
  /** There is something to look at. */
  readonly #wake: () => void;
  #ids = new Map<string, string[]>();
  /** When the newest read that has succeeded was begun, and the newest of all. Milliseconds since 1970. */
  #asOfMs = 0;
  #triedMs = 0;
  #reading = false;

  constructor(world: World, wake: () => void) {
    this.#world = world;
    this.#wake = wake;
  }

  /** Ids of a pool that is this master's since `sinceMs`; undefined: they are not known yet, look again in a second or when woken. */
  of(pool: string, sinceMs: number): readonly string[] | undefined {
    const nowMs = Math.floor(this.#world.clock.wall());
    if (nowMs > sinceMs + EXPECTED_MS_MAX) return [];
    const isKnown = this.#asOfMs >= sinceMs;
    const isNew = !isKnown && this.#triedMs === this.#asOfMs;
    if (!this.#reading && (isNew || nowMs >= this.#triedMs + READ_AGAIN_MS)) void this.#read(nowMs);
    return isKnown ? (this.#ids.get(pool) ?? []) : undefined;
  }

  async #read(nowMs: number): Promise<void> {
    this.#reading = true;
    this.#triedMs = nowMs;
    const { etcd, keys, log } = this.#world;
    try {
      const { kvs } = await etcd.list(keys.workers(), { keysOnly: true });
      const ids = new Map<string, string[]>();
      for (const { key } of kvs) {
        const parsed = keys.parse(key);
        if (parsed?.of !== "worker") continue;
        const ofPool = ids.get(parsed.pool) ?? [];
        ofPool.push(parsed.worker);
        ids.set(parsed.pool, ofPool);
      }
      this.#ids = ids;
      this.#asOfMs = nowMs;
      this.#wake();
    } catch (error) {
      log.warn({ err: error }, `cannot read which workers are expected: ${messageOf(error)}; trying again`);
    } finally {
      this.#reading = false;
    }
  }
}
