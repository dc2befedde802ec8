/** The model of etcd, on which the simulation stands, against a real etcd: the same random operations on both, the same answers. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { EtcdModel, type Lease, type Op, type Revision, type Txn, type WatchEvent } from "@sheaf/etcd";
import { type Random, SheafError, seededRandom, systemRandom } from "@sheaf/runtime";
import { Etcd3 } from "etcd3";
import { bytes, startTestEtcd } from "../kit/etcd-server.ts";

const STEPS = 1_500;
const KEYS = ["/m/a", "/m/b", "/m/ab", "/m/b/c", "/m/b/d", "/n/a"];
const PREFIXES = ["/m/", "/m/b", "/m/b/", "/", "/none"];

const etcd = await startTestEtcd(after);
const client = await etcd.connect();
const raw = new Etcd3({ hosts: etcd.server.address });
after(async () => raw.close());

/** Nobody else writes to this etcd, so the model has the same revisions as well. */
const model = new EtcdModel();
/** Leases of both, side by side; some are gone. */
const leases: { readonly real: Lease; readonly modelled: string }[] = [];

test("random operations have the same answers, and the same history", async () => {
  const seed = systemRandom.int(2 ** 31);
  const random = seededRandom(seed);
  const seen: WatchEvent[] = [];
  let wake: () => void = () => {};
  const events = (more: readonly WatchEvent[]) => {
    seen.push(...more);
    wake();
  };
  const watch = client.watch("/m/", { snapshot: () => {}, events });
  await watch.ready;
  const from = model.revision + 1n;
  const expected: WatchEvent[] = [];
  /** What is compacted before the watch has told it is not told any more: then there is another snapshot. */
  const caughtUp = async () => {
    while (seen.length < expected.length) await new Promise<void>((resolve) => (wake = resolve));
  };
  for (let i = 0; i < STEPS; i++) {
    const before = model.revision;
    const [real, modelled, what] = await step(random, caughtUp);
    assert.deepEqual(real, modelled, `seed ${seed}, step ${i}: ${what}`);
    if (model.revision > before) expected.push(...(model.eventsFrom("/m/", before + 1n) ?? []));
  }
  const last = await client.txn({ compare: [], then: [{ put: "/m/last", value: bytes("") }] });
  model.apply({ compare: [], then: [{ put: "/m/last", value: bytes("") }] });
  assert.equal("revision" in last && last.revision, model.revision);
  expected.push(...(model.eventsFrom("/m/", model.revision) ?? []));
  await caughtUp();
  await watch.close();
  assert.ok(from < model.revision);
  assert.deepEqual(told(seen), told(expected), `seed ${seed}`);
  for (const { real } of leases) real.stop();
});

test("what expires goes as what is revoked: all keys of the lease, in order, in one revision", async () => {
  const lease = await client.grantLease(2);
  const modelled = model.grant(2);
  const puts = (id: string): Txn => ({
    compare: [],
    then: ["/x/b", "/x/a", "/x/c"].map((put) => ({ put, value: bytes("v"), lease: id })),
  });
  const gone = Promise.withResolvers<readonly WatchEvent[]>();
  const watch = client.watch("/x/", {
    snapshot: () => {},
    events: (events) => events.some(({ type }) => type === "delete") && gone.resolve(events),
  });
  await watch.ready;
  const [real, same] = [await client.txn(puts(lease.id)), model.apply(puts(modelled))];
  assert.deepEqual(real, same);
  lease.stop();
  const events = await gone.promise;
  model.revoke(modelled);
  assert.deepEqual(told(events), told(model.eventsFrom("/x/", model.revision) ?? []));
  assert.equal(model.leases().includes(modelled), false);
  await watch.close();
});

/** One operation on both: what the real etcd and what the model answers, and what it was. */
async function step(random: Random, caughtUp: () => Promise<void>): Promise<[unknown, unknown, string]> {
  const pick = <T>(items: readonly T[]): T => items[random.int(items.length)] as T;
  const at = (): { revision?: Revision } => {
    const revision = model.revision - BigInt(random.int(12)) + BigInt(random.int(3));
    // For etcd, 0 and less is "now".
    return random.float() < 0.5 || revision < 1n ? {} : { revision };
  };
  const kind = random.float();
  if (kind < 0.6) {
    const [real, modelled] = randomTxns(random, pick);
    return [noIds(await client.txn(real)), noIds(model.apply(modelled)), JSON.stringify(modelled, tellBig)];
  }
  if (kind < 0.7) {
    const prefix = pick(PREFIXES);
    const options = {
      ...at(),
      ...(random.float() < 0.3 && { limit: 1 + random.int(3) }),
      keysOnly: random.float() < 0.2,
    };
    const real = await outcome(() => client.list(prefix, options));
    return [real, await outcome(async () => model.listed(prefix, options)), `list ${prefix}`];
  }
  if (kind < 0.8) {
    const prefix = pick(PREFIXES);
    const options = { ...at(), limit: 1 + random.int(3), descending: random.float() < 0.5 };
    const inside = KEYS.filter((key) => key.startsWith(prefix));
    const more = random.float() < 0.5 && inside.length > 0 ? { after: pick(inside) } : {};
    const real = await outcome(() => client.page(prefix, { ...options, ...more }));
    return [real, await outcome(async () => model.paged(prefix, { ...options, ...more })), `page ${prefix}`];
  }
  if (kind < 0.84) {
    const ttl = 60 + random.int(60);
    leases.push({ real: await client.grantLease(ttl), modelled: model.grant(ttl) });
    return [null, null, "grant"];
  }
  const lease = leases[random.int(leases.length)];
  if (kind < 0.88 && lease !== undefined) {
    return [await client.revokeLease(lease.real.id), model.revoke(lease.modelled), "revoke"];
  }
  if (kind < 0.94 && lease !== undefined) {
    const [real, modelled] = [await client.leaseTimeToLive(lease.real.id), model.timeToLive(lease.modelled)];
    return [keysOf(real), keysOf(modelled), "time to live"];
  }
  if (kind < 0.96) {
    await caughtUp();
    const back = model.revision - BigInt(random.int(4));
    const revision = back < 1n ? 1n : back; // nobody compacts at no revision
    const real = await compacts(async () => void (await raw.kv.compact({ revision: String(revision) })));
    return [real, await compacts(async () => model.compact(revision)), `compact ${revision}`];
  }
  const key = pick(KEYS);
  return [noIds(await client.get(key)), noIds(model.at(key)), `get ${key}`];
}

/** The same transaction for both: only the names of leases differ. */
function randomTxns(random: Random, pick: <T>(items: readonly T[]) => T): [Txn, Txn] {
  const compares = Array.from({ length: random.int(3) }, (): Txn["compare"][number] => {
    const key = pick(KEYS);
    if (random.float() < 0.3) return { key, target: "value", is: bytes(pick(["1", "2"])) };
    const now = model.at(key);
    const target = pick(["create", "mod"] as const);
    const is = (target === "create" ? now?.createRevision : now?.modRevision) ?? 0n;
    return { key, target, is: random.float() < 0.8 ? is : is + 1n };
  });
  const branch = (): [Op[], Op[]] => {
    const both = Array.from({ length: random.int(4) }, (): [Op, Op] => {
      const key = pick(KEYS);
      const which = random.float();
      if (which < 0.2) return [{ get: key }, { get: key }];
      if (which < 0.35) return [{ delete: key }, { delete: key }];
      if (which < 0.42) {
        const op = { deletePrefix: pick(["/m/b", "/n/"]) };
        return [op, op];
      }
      const put = { put: key, value: bytes(pick(["1", "2"])) };
      const lease = random.float() < 0.5 ? leases[random.int(leases.length)] : undefined;
      if (random.float() < 0.03)
        return [
          { ...put, lease: "77" },
          { ...put, lease: "77" },
        ];
      return lease === undefined
        ? [put, put]
        : [
            { ...put, lease: lease.real.id },
            { ...put, lease: lease.modelled },
          ];
    });
    return [both.map(([real]) => real), both.map(([, modelled]) => modelled)];
  };
  const [then, thenModelled] = branch();
  const [otherwise, otherwiseModelled] = branch();
  return [
    { compare: compares, then, else: otherwise },
    { compare: compares, then: thenModelled, else: otherwiseModelled },
  ];
}

/** Answers without what must differ: names of leases, and words of messages. */
function noIds(answer: unknown): unknown {
  return JSON.parse(
    JSON.stringify(answer, (key, value) => {
      if (key === "lease") return value === "0" ? "0" : "some";
      return key === "message" ? undefined : tellBig(key, value);
    }) ?? "null",
  );
}

function tellBig(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array || Buffer.isBuffer(value)) return Buffer.from(value).toString("hex");
  const isBuffer = typeof value === "object" && value !== null && "type" in value && value.type === "Buffer";
  if (isBuffer && "data" in value) return Buffer.from(value.data as number[]).toString("hex");
  return typeof value === "bigint" ? String(value) : value;
}

function keysOf(info: { readonly grantedTtlSeconds: number; readonly keys: readonly string[] } | null): unknown {
  return info === null ? null : { granted: info.grantedTtlSeconds, keys: [...info.keys].sort() };
}

async function outcome(read: () => Promise<unknown>): Promise<unknown> {
  try {
    return noIds(await read());
  } catch (error) {
    return error instanceof SheafError ? error.code : error;
  }
}

async function compacts(compact: () => Promise<void>): Promise<string> {
  try {
    await compact();
    return "compacted";
  } catch (error) {
    return /compacted|REVISION_GONE|is not in|future/.test(String(error)) ? "refused" : String(error);
  }
}

function told(events: readonly WatchEvent[]): unknown[] {
  return events.map((event) => noIds(event));
}
