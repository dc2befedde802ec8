import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { fileEntry, HashThreads, PackWriter } from "@sheaf/files";
import { store } from "@sheaf/proto";
import { manualClock, systemRandom, testLogger, unavailable } from "@sheaf/runtime";
import { memoryStore } from "@sheaf/storage";
import { ClaimBook } from "../claims/book.ts";
import type { Claim } from "../claims/claim.ts";
import type { Prior } from "../claims/terms.ts";
import { FifoPool } from "../datum/lazy-files.ts";
import type { Failure } from "../datum/outcome.ts";
import { DatumFolders } from "../scratch/datum-folders.ts";
import { GivenFolders } from "../scratch/given-folders.ts";
import type { ProcessJob } from "./job.ts";
import { Prefetch } from "./prefetch.ts";

const root = mkdtempSync(join(tmpdir(), "sheaf-prefetch-test-"));
after(() => rmSync(root, { recursive: true }));
let count = 0;

/** A prefetch for a claim of `n` datums, each of a file of `bytes`. */
async function open(n: number, bytes: number, prior: ReadonlyMap<number, Prior> = new Map()) {
  const target = memoryStore();
  const packs = new PackWriter(target);
  const files = Array.from({ length: n }, (_, i) => fileEntry(`/f${i}`, packs.add(Buffer.alloc(bytes, i))));
  await packs.close();
  let away = 0;
  const disk = { isBusy: false, free: Number.POSITIVE_INFINITY };
  const slow = { isSlow: false, waiting: [] as (() => void)[], most: 0 };
  const wait = () =>
    new Promise<void>((resolve) => {
      slow.waiting.push(resolve);
      slow.most = Math.max(slow.most, slow.waiting.length);
    });
  const source = {
    ...target,
    get: async (key: string, range: never) => {
      if (slow.isSlow) await wait();
      if (away-- > 0) throw unavailable("AWAY", "away");
      return target.get(key, range);
    },
  };
  const datum = (index: number) =>
    create(store.DatumSchema, {
      id: `${index}`,
      inputs: [{ name: "in", path: `/f${index}`, files: [files[index] as store.FileEntry] }],
    });
  const mode = { t: "command" };
  const job = { mode, modes: new Map(), datum: async (index: number) => datum(index) } as unknown as ProcessJob;
  const clock = manualClock();
  const book = new ClaimBook(() => "attempt");
  const input = create(store.ObjectRefSchema, { key: "work/x", size: 1n });
  book.assign({
    owner: "master",
    id: "a",
    fence: 1n,
    job: "j",
    kind: "process",
    from: 0,
    to: n,
    input,
    prior,
    isRace: false,
  });
  const dir = join(root, String(count++));
  mkdirSync(dir);
  const seen = { damaged: [] as Failure[], stuck: [] as Claim[], quarantined: [] as number[] };
  const prefetch = new Prefetch({
    store: source as never,
    book,
    folders: new DatumFolders(dir, (folder, error) => assert.fail(`${folder}: ${error}`)),
    given: new GivenFolders(join(root, `given-${count}`), systemRandom),
    fifos: new FifoPool(join(root, `fifos-${count}`), join(root, `files-${count}`)),
    threads: new HashThreads(),
    onUnfed: () => assert.fail("nothing is lazy"),
    clock,
    log: testLogger(),
    openJob: async () => job,
    isBusy: () => disk.isBusy,
    bytesFree: () => disk.free,
    onReady: () => {},
    onSkipped: ({ index }) => assert.fail(`datum ${index} is skipped`),
    onImpossible: (_item, failure) => seen.damaged.push(failure),
    onQuarantined: ({ index }) => seen.quarantined.push(index),
    onCannotGoOn: (claim) => seen.stuck.push(claim),
  });
  const setAway = (times: number) => {
    away = times;
  };
  return { prefetch, book, clock, dir, seen, setAway, slow, disk, target, claim: book.claim("a") as Claim };
}

/** Until nothing happens any more without a change from outside. */
const settle = async () => {
  for (let i = 0; i < 2_000; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** The next datum, as soon as it is ready: threads read large ones, in their own time. */
const taken = async (prefetch: Prefetch) => {
  for (;;) {
    const item = prefetch.shift();
    if (item !== undefined) return item.index;
    await settle();
  }
};

describe("Prefetch", () => {
  it("downloads ahead as many datums as it may, in order, and more as they are taken", async () => {
    const { prefetch, claim, dir } = await open(100, 10);
    const done = prefetch.run();
    await settle();
    assert.equal(readdirSync(dir).length, 64);
    for (let i = 0; i < 100; i++) {
      let item = prefetch.shift();
      while (item === undefined) {
        await settle();
        item = prefetch.shift();
      }
      assert.equal(item.index, i);
      assert.ok(claim.start(i, 0));
    }
    prefetch.close();
    await done;
  });

  it("keeps within its bytes, but never waits for ever for one large datum", async () => {
    const { prefetch } = await open(5, 40 * 1024 * 1024);
    const done = prefetch.run();
    await settle();
    assert.equal(prefetch.shift()?.index, 0);
    assert.equal(prefetch.shift()?.index, 1);
    assert.equal(prefetch.shift(), undefined);
    prefetch.close();
    await done;
  });

  it("counts on from earlier tries, and does not download what is quarantined", async () => {
    const prior = new Map([
      [1, { tries: 2, losses: 1, isQuarantined: false }],
      [2, { tries: 0, losses: 3, isQuarantined: true }],
    ]);
    const { prefetch, seen } = await open(4, 10, prior);
    const done = prefetch.run();
    await settle();
    const items = [prefetch.shift(), prefetch.shift(), prefetch.shift()];
    assert.deepEqual(
      items.map((item) => [item?.index, item?.failures, item?.losses]),
      [
        [0, 0, 0],
        [1, 2, 1],
        [3, 0, 0],
      ],
    );
    assert.deepEqual(seen.quarantined, [2]);
    prefetch.close();
    await done;
  });

  it("removes what is not wanted any more", async () => {
    const { prefetch, book, claim } = await open(10, 10);
    const done = prefetch.run();
    await settle();
    assert.equal(claim.start(prefetch.shift()?.index ?? -1, 0), true);
    assert.equal(book.release("a", 3), 3);
    prefetch.wake();
    assert.deepEqual([prefetch.shift()?.index, prefetch.shift()?.index, prefetch.shift()], [1, 2, undefined]);
    prefetch.close();
    await done;
  });

  it("waits for a store that is away, and keeps the order", async () => {
    const { prefetch, clock, setAway } = await open(3, 10);
    setAway(2);
    const done = prefetch.run();
    await settle();
    assert.equal(prefetch.shift(), undefined);
    await clock.advance(500);
    await settle();
    await clock.advance(500);
    await settle();
    assert.deepEqual([prefetch.shift()?.index, prefetch.shift()?.index, prefetch.shift()?.index], [0, 1, 2]);
    prefetch.close();
    await done;
    assert.equal(clock.pending(), 0);
  });

  it("has several downloads under way in a store that is slow, and gives the datums out in order", async () => {
    const { prefetch, slow } = await open(20, 10);
    slow.isSlow = true;
    const done = prefetch.run();
    const order: number[] = [];
    while (order.length < 20) {
      await settle();
      // The answer to the last question comes first.
      slow.waiting.pop()?.();
      await settle();
      for (let item = prefetch.shift(); item !== undefined; item = prefetch.shift()) order.push(item.index);
    }
    assert.deepEqual(
      order,
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.equal(slow.most, 8);
    prefetch.close();
    await done;
  });

  it("keeps within its bytes with several under way", async () => {
    const { prefetch, slow, dir } = await open(8, 30 * 1024 * 1024);
    slow.isSlow = true;
    const done = prefetch.run();
    await settle();
    assert.equal(readdirSync(dir).length, 3);
    prefetch.close();
    for (const answer of slow.waiting) answer();
    await done;
  });

  it("leaves as much of the disk free as it takes, but waits for nothing with the next one to run", async () => {
    const bytes = 2 * 1024 * 1024;
    const { prefetch, dir, disk } = await open(3, bytes);
    disk.free = 2 * bytes - 1;
    const done = prefetch.run();
    await settle();
    assert.equal(readdirSync(dir).length, 1, "the next one to run");
    disk.isBusy = true;
    assert.equal(await taken(prefetch), 0);
    await settle();
    assert.equal(readdirSync(dir).length, 1, "while one runs, the next would be ahead");
    disk.isBusy = false;
    prefetch.wake();
    assert.equal(await taken(prefetch), 1);
    disk.isBusy = true;
    disk.free = 2 * bytes;
    prefetch.wake();
    assert.equal(await taken(prefetch), 2, "there is room");
    prefetch.close();
    await done;
  });

  it("goes on with the next one when the disk is full of those behind it", async () => {
    const { prefetch, clock, setAway, disk } = await open(3, 2 * 1024 * 1024);
    setAway(1);
    const done = prefetch.run();
    while (clock.pending() === 0) await settle();
    assert.equal(prefetch.shift(), undefined, "the first could not be had");
    disk.free = 0;
    await clock.advance(500);
    assert.equal(await taken(prefetch), 0);
    prefetch.close();
    await done;
  });

  it("tells damage, and a folder that cannot be written", async () => {
    const damaged = await open(1, 10);
    for await (const { key } of damaged.target.list("packs/")) await damaged.target.delete(key);
    const done = damaged.prefetch.run();
    await settle();
    assert.deepEqual(
      damaged.seen.damaged.map(({ reason }) => reason),
      ["INPUT_DAMAGED"],
    );
    damaged.prefetch.close();
    await done;
    const gone = await open(1, 10);
    rmSync(gone.dir, { recursive: true });
    const over = gone.prefetch.run();
    await settle();
    assert.equal(gone.seen.stuck.length, 1);
    gone.prefetch.close();
    await over;
  });
});
