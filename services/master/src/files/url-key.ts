// The key that addresses of files are signed with: in etcd, so that what one master signed every other one takes.

import { create } from "@bufbuild/protobuf";
import { absent, put, readRecordOrNull } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import type { World } from "../context.ts";
import { settle } from "../settle.ts";

const KEY_BYTES = 32;

export class UrlKey {
  readonly #world: World;
  #key: Promise<Uint8Array> | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  get(): Promise<Uint8Array> {
    if (this.#key === undefined) {
      this.#key = this.#findOrMake();
      this.#key.catch(() => {
        this.#key = undefined; // etcd was away: the next call tries again
      });
    }
    return this.#key;
  }

  async #findOrMake(): Promise<Uint8Array> {
    const { etcd, keys, random } = this.#world;
    const key = keys.urlKey();
    const find = async () => readRecordOrNull(state.UrlKeyRecordSchema, await etcd.get(key))?.record.key;
    const found = await find();
    if (found !== undefined) return found;
    const made = create(state.UrlKeyRecordSchema, { version: 1, key: random.bytes(KEY_BYTES) });
    await settle(this.#world, {
      what: "make the key that addresses of files are signed with",
      compare: [absent(key)],
      then: [put(key, state.UrlKeyRecordSchema, made)],
      mark: key,
    });
    // Another master may have been first.
    return (await find()) ?? made.key;
  }
}
