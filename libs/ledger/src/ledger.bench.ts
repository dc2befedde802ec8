/**
 * Claims handed out and committed by one owner, on a real etcd with fsync, with no work behind them: etcd and the owner's own code
 * are all that is measured. Run by hand: SHEAF_ETCD_BIN=/path/to/etcd node libs/ledger/src/ledger.bench.ts [intervals] [workers]
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { connectEtcd, keysOf } from "@sheaf/etcd";
import { dispatch, type store } from "@sheaf/proto";
import { startEtcd } from "@sheaf/provision";
import { newId, systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import { createDispatcher } from "./dispatch/dispatcher.ts";
import type { Dispatcher } from "./door.ts";

const INTERVALS = Number(process.argv[2] ?? 30_000);
const WORKERS = Number(process.argv[3] ?? 200);

const header = { worker: "", kind: 2 } as const;
/** What each result says, by its key: there is no store. */
const headers = new Map<string, store.ResultHeader>();

/** A worker that commits each claim at once, whole. */
function worker(dispatcher: Dispatcher, id: string, job: string): { committed: () => number } {
  const inbox: dispatch.SessionRequest[] = [];
  let wake = () => {};
  let committed = 0;
  const say = (message: dispatch.SessionRequest["message"]) => {
    inbox.push(create(dispatch.SessionRequestSchema, { message }));
    wake();
  };
  async function* requests() {
    for (;;) {
      const next = inbox.shift();
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  say({ case: "hello", value: create(dispatch.HelloSchema, { worker: id, pool: "p", version: "0.1.0", slots: 1 }) });
  const send = async ({ message }: dispatch.SessionResponse) => {
    if (message.case === "welcome") say({ case: "want", value: create(dispatch.WantSchema, { claims: 2 }) });
    if (message.case === "committed") {
      committed++;
      say({ case: "want", value: create(dispatch.WantSchema, { claims: 1 }) });
    }
    if (message.case !== "assign") return;
    const { claim, fence, from, to } = message.value;
    const attempt = newId(systemRandom);
    const key = `runs/${attempt}`;
    headers.set(key, { ...header, job, from, to, attempt } as unknown as store.ResultHeader);
    const result = { object: { key, size: 1n } } as unknown as store.TableRef;
    const totals = create(dispatch.TotalsSchema, { succeeded: to - from });
    say({ case: "commit", value: create(dispatch.CommitSchema, { claim, fence, from, to, attempt, result, totals }) });
  };
  void dispatcher.session({ requests: requests(), send, close: () => {} });
  return { committed: () => committed };
}

const dataDir = mkdtempSync(join(tmpdir(), "sheaf-ledger-bench-"));
const log = testLogger();
const binary = process.env["SHEAF_ETCD_BIN"];
assert.ok(binary, "SHEAF_ETCD_BIN must name an etcd");
const server = await startEtcd({ binary, env: process.env, dataDir, log, clock: systemClock });
await server.ready;
const etcd = await connectEtcd({ addresses: [server.address], log });
try {
  const dispatcher = createDispatcher({
    ...{ etcd, keys: keysOf("bench"), log, clock: systemClock, random: systemRandom, replica: "r" },
    ...{ role: "master", version: "0.1.0" },
    addresses: () => ({ dispatchAddress: "127.0.0.1:1", apiAddress: "" }),
    verify: async (_kind, { object }) => headers.get(object?.key ?? "") as store.ResultHeader,
  });
  const owner = await dispatcher.own("p", new AbortController().signal);
  const input = { $typeName: "sheaf.store.v1.ObjectRef", key: "work/1", size: 1n } as const;
  // Sixteen indexes to a claim: nothing is known of their time.
  const ledger = await owner.openLedger(
    { pipeline: "p", job: "j", kind: "process" },
    { n: INTERVALS * 16, input, order: "j" },
  );
  const workers = Array.from({ length: WORKERS }, (_, i) => worker(dispatcher, `w${i}`, "j"));
  const [begun, cpu] = [performance.now(), process.cpuUsage()];
  owner.serve();
  const end = await ledger.end;
  const seconds = (performance.now() - begun) / 1_000;
  assert.equal(end.kind, "complete");
  const committed = workers.reduce((sum, one) => sum + one.committed(), 0);
  const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
  const { user, system } = process.cpuUsage(cpu);
  const each = `${Math.round((user + system) / committed)} µs of CPU each, its worker's part included`;
  console.log(
    `${committed} intervals of ${WORKERS} workers: ${Math.round(committed / seconds)} a second; ${each}; RSS ${rss} MiB`,
  );
  await dispatcher.stop();
} finally {
  await etcd.close();
  await server.child.stop(5_000);
  rmSync(dataDir, { recursive: true });
}
