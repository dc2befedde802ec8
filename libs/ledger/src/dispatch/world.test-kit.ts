// What the tests of the dispatcher share: a real etcd, and clusters of their own in it.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { create } from "@bufbuild/protobuf";
import { connectEtcd, type Etcd, keysOf } from "@sheaf/etcd";
import { dispatch } from "@sheaf/proto";
import { startEtcd } from "@sheaf/provision";
import { newId, systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import type { Dispatcher, NewLedgerMeta, Ownership } from "../door.ts";
import { createDispatcher } from "./dispatcher.ts";
import { verifyFake } from "./fake-worker.test-kit.ts";
import { DEFAULT_TIMING } from "./timing.ts";

const SHORT = { beatMs: 50, brokenGraceMs: 50, silentMs: 2_000, releaseMs: 100, orphanMs: 200, lossMs: 400 };
export const TIMING = { ...DEFAULT_TIMING, ...SHORT };
const log = testLogger();
export let etcd: Etcd;
let clusters = 0;

/** Starts an etcd before the tests of a file, and ends it after them. */
export function useEtcd(): void {
  let stopEtcd: () => Promise<void>;
  before(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "sheaf-ledger-"));
    const binary = process.env["SHEAF_ETCD_BIN"];
    assert.ok(binary, "SHEAF_ETCD_BIN must name an etcd: npm run setup finds one");
    const server = await startEtcd({ binary, env: process.env, dataDir, noFsync: true, log, clock: systemClock });
    await server.ready;
    etcd = await connectEtcd({ addresses: [server.address], log });
    stopEtcd = async () => {
      await etcd.close();
      await server.child.stop(5_000);
      await rm(dataDir, { recursive: true });
    };
  });
  after(() => stopEtcd());
}

export interface World {
  readonly keys: ReturnType<typeof keysOf>;
  replica(through?: Etcd): Dispatcher;
  owned(
    n: number,
    meta?: Partial<NewLedgerMeta>,
    through?: Etcd,
  ): Promise<{ dispatcher: Dispatcher; owner: Ownership; ledger: Awaited<ReturnType<Ownership["openLedger"]>> }>;
}

/** A cluster of its own in the one etcd; its dispatchers are stopped when the test is over. */
export function world(t: { after(fn: () => Promise<void>): void }): World {
  const keys = keysOf(`test-${clusters++}`);
  const replica = (through = etcd) => {
    const dispatcher = createDispatcher({
      etcd: through,
      keys,
      log,
      clock: systemClock,
      random: systemRandom,
      replica: newId(systemRandom),
      role: "master",
      version: "0.1.0",
      verify: verifyFake,
      addresses: () => ({ dispatchAddress: "127.0.0.1:1", apiAddress: "" }),
      timing: TIMING,
    });
    t.after(() => dispatcher.stop());
    return dispatcher;
  };
  return {
    keys,
    replica,
    owned: async (n, meta = {}, through) => {
      const dispatcher = replica(through);
      const owner = await dispatcher.own("pipe", AbortSignal.timeout(10_000));
      const ledger = await owner.openLedger(process1, { n, input: INPUT, order: "a", ...meta });
      owner.serve();
      return { dispatcher, owner, ledger };
    },
  };
}

const INPUT = { $typeName: "sheaf.store.v1.ObjectRef", key: "work/1", size: 1n } as const;
export const process1 = { pipeline: "pipe", job: "job1", kind: "process" } as const;

/** A beat that names one claim, or none. */
export function beatOf(
  claim: Pick<dispatch.Assign, "claim"> | null,
  over: Partial<dispatch.HeldPosition> = {},
): dispatch.Beat {
  const position = { next: 0n, finished: 0n, running: [], ...over };
  const claims = claim === null ? [] : [create(dispatch.HeldPositionSchema, { claim: claim.claim, ...position })];
  return create(dispatch.BeatSchema, { claims });
}
