// Who follows the logs of a pipeline. Nothing is kept for them: lines go to those who are there.

import type { Follower, LiveLines } from "../door.ts";

export class Followers {
  /** With the number that was said when it came: what was sent before that does not begin at the begin. */
  readonly #all = new Map<Follower, number>();
  #count = 0;

  /** OwnerBeat.follow: changes whenever somebody comes. */
  get number(): number {
    return this.#all.size === 0 ? 0 : this.#count;
  }

  add(follower: Follower): () => void {
    this.#all.set(follower, ++this.#count);
    return () => void this.#all.delete(follower);
  }

  heard(lines: LiveLines): void {
    for (const [follower, since] of this.#all) if (lines.live.follow >= since) follower(lines);
  }
}
