/** Watches of libs/etcd against a real etcd, through cuts, compactions and silence: nothing lost, nothing twice. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Etcd, KeyValue, Op, Revision, WatchEvent, WatchHandler } from "@sheaf/etcd";
import { Signal, seededRandom, systemClock } from "@sheaf/runtime";
import { Etcd3 } from "etcd3";
import { bytes, startTestEtcd, textOf } from "../kit/etcd-server.ts";
import { says, signalLog } from "../kit/log-signal.ts";
import { fastClock } from "../kit/test-clocks.ts";

const etcd = await startTestEtcd(after);
const client = await etcd.connect();

/** Keeps what a watch tells, and checks what it promises. */
class Picture implements WatchHandler {
  readonly keys = new Map<string, string>();
  readonly snapshots: Revision[] = [];
  readonly changed = new Signal<Revision>().arm();
  events_ = 0;
  #last: Revision = 0n;

  snapshot(kvs: readonly KeyValue[], revision: Revision): void {
    this.snapshots.push(revision);
    this.keys.clear();
    for (const { key, value } of kvs) this.keys.set(key, textOf(value));
    this.#last = revision;
    this.changed.emit(revision);
  }

  events(events: readonly WatchEvent[], revision: Revision): void {
    for (const event of events) {
      const at = event.type === "put" ? event.kv.modRevision : event.modRevision;
      assert.ok(at > this.#last || at === revision, `revision ${at} after ${this.#last}`);
      if (event.type === "put") this.keys.set(event.kv.key, textOf(event.kv.value));
      else assert.ok(this.keys.delete(event.key), `${event.key} was deleted twice`);
      this.events_++;
    }
    assert.ok(revision > this.#last, "a revision came twice");
    this.#last = revision;
    this.changed.emit(revision);
  }

  /** Waits until it has seen everything up to this revision. */
  async reached(revision: Revision): Promise<void> {
    if (this.#last < revision) await this.changed.wait((at) => at >= revision);
  }
}

async function write(then: Op[]): Promise<Revision> {
  const outcome = await client.txn({ compare: [], then });
  assert.ok(outcome.kind === "applied");
  return outcome.revision;
}

async function assertSame(picture: Picture, prefix: string, who: Etcd = client): Promise<void> {
  const { kvs } = await who.list(prefix);
  assert.deepEqual(
    [...picture.keys].sort(),
    kvs.map(({ key, value }) => [key, textOf(value)]),
  );
}

test("a snapshot first, then whole revisions in order", async () => {
  await write([{ put: "/w1/a", value: bytes("1") }]);
  const picture = new Picture();
  const watch = client.watch("/w1/", picture);
  await watch.ready;
  assert.deepEqual([...picture.keys], [["/w1/a", "1"]]);
  await write([{ put: "/w1x", value: bytes("a sibling") }]);
  const revision = await write([{ put: "/w1/b", value: bytes("2") }, { delete: "/w1/a" }]);
  await picture.reached(revision);
  assert.deepEqual([...picture.keys], [["/w1/b", "2"]]);
  assert.equal(picture.events_, 2);
  await watch.close();
  await watch.close();
  await write([{ put: "/w1/c", value: bytes("3") }]);
  assert.equal(picture.events_, 2);
});

test("through twenty cuts of the connection nothing is lost and nothing comes twice", async () => {
  const proxy = await etcd.proxy();
  const { log, lines } = signalLog();
  const behind = await etcd.connect({ addresses: [proxy.address], log });
  const picture = new Picture();
  const watch = behind.watch("/w2/", picture);
  await watch.ready;
  const random = seededRandom(11);
  let last: Revision = 0n;
  for (let cut = 0; cut < 20; cut++) {
    // Cut at any time: before, while and after the watch is created again, and while events stream.
    if (cut % 2 === 0) await lines.wait(says("watch: following"));
    for (let i = random.int(8); i >= 0; i--) {
      const key = `/w2/${random.int(20)}`;
      const value = bytes(String(random.int(1_000)));
      last = await write([random.int(4) === 0 ? { delete: key } : { put: key, value }]);
    }
    proxy.cut();
  }
  last = await write([{ put: "/w2/end", value: bytes("end") }]);
  await picture.reached(last);
  await assertSame(picture, "/w2/");
  assert.equal(picture.snapshots.length, 1, "it was resumed, not listed again");
  await watch.close();
});

test("after a compaction that it missed it lists again, and the snapshot is the truth", async () => {
  const proxy = await etcd.proxy();
  const { log, lines } = signalLog();
  const behind = await etcd.connect({ addresses: [proxy.address], log });
  await write([
    { put: "/w3/gone", value: bytes("1") },
    { put: "/w3/stays", value: bytes("1") },
  ]);
  const picture = new Picture();
  const watch = behind.watch("/w3/", picture);
  await watch.ready;
  await lines.wait(says("watch: following"));
  await proxy.set("refuse");
  await write([{ delete: "/w3/gone" }]);
  const revision = await write([{ put: "/w3/new", value: bytes("1") }]);
  const raw = new Etcd3({ hosts: `http://${etcd.server.address}` });
  await raw.kv.compact({ revision: String(revision), physical: true });
  raw.close();
  await proxy.set("pass");
  await lines.wait(says("watch: history compacted"));
  await picture.reached(revision);
  assert.equal(picture.snapshots.length, 2);
  await assertSame(picture, "/w3/");
  await watch.close();
});

test("revisions that are larger than one response arrive whole", async () => {
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  const seen: number[] = [];
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const watch = behind.watch("/w4/", {
    snapshot: () => {},
    events: (events) => {
      const revisions = Map.groupBy(events, (e) => (e.type === "put" ? e.kv.modRevision : 0n));
      seen.push(...[...revisions.values()].map(({ length }) => length));
      if (seen.length === 20) resolve();
    },
  });
  await watch.ready;
  await proxy.set("refuse");
  const value = new Uint8Array(60_000);
  for (let i = 0; i < 20; i++) {
    await write(Array.from({ length: 20 }, (_, j) => ({ put: `/w4/${j}`, value })));
  }
  await proxy.set("pass");
  await all;
  assert.deepEqual(seen, Array(20).fill(20));
  await watch.close();
});

test("a stream that falls silent is noticed, and resumed when the network is back", async () => {
  const proxy = await etcd.proxy();
  const { log, lines } = signalLog();
  const clock = fastClock(10);
  const behind = await etcd.connect({ addresses: [proxy.address], log, clock });
  const picture = new Picture();
  const watch = behind.watch("/w5/", picture);
  await watch.ready;
  await lines.wait(says("watch: following"));
  await proxy.set("black-hole");
  const revision = await write([{ put: "/w5/a", value: bytes("1") }]);
  const cut = await lines.wait(says("watch: cut"));
  assert.match(String(cut.cause), /^silent/);
  await proxy.set("pass");
  await picture.reached(revision);
  await assertSame(picture, "/w5/");
  await watch.close();
});

test("a connection that died without a word is replaced, and nothing is lost", async () => {
  const proxy = await etcd.proxy();
  const { log, lines } = signalLog();
  const behind = await etcd.connect({ addresses: [proxy.address], log, clock: fastClock(10) });
  const picture = new Picture();
  const watch = behind.watch("/w9/", picture);
  await watch.ready;
  await lines.wait(says("watch: following"));
  proxy.heal();
  const revision = await write([{ put: "/w9/a", value: bytes("1") }]);
  await picture.reached(revision);
  assert.equal(picture.snapshots.length, 1);
  await watch.close();
});

test("a quiet stream is kept: on an idle etcd, and when all that happens is elsewhere", async () => {
  const { log, lines } = signalLog();
  const quiet = await etcd.connect({ log, clock: fastClock(20) });
  const picture = new Picture();
  const watch = quiet.watch("/w6/", picture);
  await watch.ready;
  // Six times as long as silence would be allowed to last, twice.
  await systemClock.sleep(1_500);
  await write([{ put: "/elsewhere", value: bytes("1") }]);
  await systemClock.sleep(1_500);
  const revision = await write([{ put: "/w6/a", value: bytes("1") }]);
  await picture.reached(revision);
  await watch.close();
  lines.emit({ level: "debug", msg: "end" });
  const first = await lines.wait(({ msg }) => msg.startsWith("watch: cut") || msg === "end");
  assert.equal(first.msg, "end", String(first.cause));
});

test("close() is bounded: before the first list, and in a black hole", async () => {
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  const picture = new Picture();
  const watch = behind.watch("/w7/", picture);
  await watch.ready;
  await proxy.set("black-hole");
  const unborn = behind.watch("/w7/", picture);
  const begun = systemClock.now();
  const refused = assert.rejects(unborn.ready, { code: "CANCELLED" });
  await unborn.close();
  await refused;
  await watch.close();
  await behind.close();
  assert.ok(systemClock.now() - begun < 1_000);
});

test("etcd killed and started again on its data: the watch goes on where it was", async () => {
  const picture = new Picture();
  const watch = client.watch("/w8/", picture);
  await watch.ready;
  const proxyless = await write([{ put: "/w8/a", value: bytes("1") }]);
  await picture.reached(proxyless);
  await etcd.restart();
  const revision = await write([{ put: "/w8/b", value: bytes("2") }]);
  await picture.reached(revision);
  await assertSame(picture, "/w8/");
  assert.equal(picture.snapshots.length, 1);
  await watch.close();
});

test("etcd restored from an older backup (revisions went back): the watch lists again", async () => {
  const { log, lines } = signalLog();
  const own = await etcd.connect({ log });
  await write([{ put: "/w10/gone", value: bytes("1") }]);
  const picture = new Picture();
  const watch = own.watch("/w10/", picture);
  await watch.ready;
  assert.equal(picture.keys.size, 1);
  await etcd.restart({ empty: true });
  await lines.wait(says("watch: etcd went back in time"));
  while (picture.snapshots.length < 2) await picture.changed.wait();
  assert.deepEqual([...picture.keys], []);
  const revision = await write([{ put: "/w10/new", value: bytes("1") }]);
  await picture.reached(revision);
  await assertSame(picture, "/w10/");
  await watch.close();
});

test("closing one stream, or a call that fails, leaves the other streams of the client alone", async () => {
  const proxy = await etcd.proxy();
  const { log, lines } = signalLog();
  const own = await etcd.connect({ addresses: [proxy.address], log });
  const [picture, other] = [new Picture(), new Picture()];
  const watch = own.watch("/w11/", picture);
  await watch.ready;
  await lines.wait(says("watch: following"));
  const lease = await own.grantLease(2);
  await systemClock.sleep(1_000); // its stream is open
  const second = own.watch("/w12/", other);
  await second.ready;
  await lines.wait(says("watch: following"));
  await second.close();
  const late = await own.txn({ compare: [], then: [{ put: "/w11/a", value: bytes("1") }] }, { deadlineMs: 0 });
  assert.equal(late.kind, "unknown", "a deadline that was over before");
  await lease.revoke();
  // A connection that was told to close keeps its streams until its next keepalive ping, which it refuses.
  await systemClock.sleep(11_000);
  const revision = await write([{ put: "/w11/b", value: bytes("1") }]);
  await picture.reached(revision);
  lines.emit({ level: "debug", msg: "end" });
  const first = await lines.wait(
    ({ msg }) => msg.startsWith("watch: cut") || msg.startsWith("lease:") || msg === "end",
  );
  assert.equal(first.msg, "end", String(first.cause));
  await watch.close();
});
