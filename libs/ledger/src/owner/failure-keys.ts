/** The keys failures/<index> (L9): there while the outcome of a datum is open, and no more of them than core/attempts.ts keeps. */

import type { ChangeOp, Keys } from "@sheaf/etcd";
import type { OpenTries } from "../core/attempts.ts";
import type { LedgerName } from "../door.ts";
import { encodeFailure } from "../ledger-records.ts";
import { revisionIf } from "./claim-keys.ts";
import type { LedgerWrite, Written } from "./ledger-writes.ts";

/** Deleted with one change; a commit stays small (L8). */
const AT_ONCE = 32;

export class FailureKeys {
  readonly #keys: Keys;
  readonly #name: LedgerName;
  readonly #write: (write: LedgerWrite) => Promise<Written>;

  constructor(keys: Keys, name: LedgerName, write: (write: LedgerWrite) => Promise<Written>) {
    this.#keys = keys;
    this.#name = name;
    this.#write = write;
  }

  async put(index: number, tries: OpenTries): Promise<void> {
    const key = this.#key(index);
    const value = encodeFailure(tries);
    const proof = {
      key,
      revisionOf: (now: Parameters<typeof revisionIf>[0]) => revisionIf(now, value, now?.modRevision),
    };
    // When it cannot be written the owner still knows it; only its successor would not.
    await this.#write({ name: `failure ${key}`, compare: [], ops: [{ put: key, value }], proof });
  }

  /** The first of them go with the commit that makes them nobody's business. */
  withCommit(indexes: readonly number[]): ChangeOp[] {
    return indexes.slice(0, AT_ONCE).map((index) => ({ delete: this.#key(index) }));
  }

  /** The others. Whatever becomes of it: a failure of an index that is done says nothing, and goes with the ledger. */
  async deleteRest(indexes: readonly number[], from = AT_ONCE): Promise<void> {
    for (let at = from; at < indexes.length; at += AT_ONCE) {
      const keys = indexes.slice(at, at + AT_ONCE).map((index) => this.#key(index));
      const [key = ""] = keys;
      const ops = keys.map((each) => ({ delete: each }));
      const proof = { key, revisionOf: (now: unknown) => (now === null ? 1n : null) };
      await this.#write({ name: `forget ${key}`, compare: [], ops, proof });
    }
  }

  #key(index: number): string {
    return this.#keys.failure(this.#name.job, this.#name.kind, index);
  }
}
