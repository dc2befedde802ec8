/**
 * What every driver of the provisioner's seam does. The place gives workers of three kinds, by the name of their pool:
 * `good` runs until SIGTERM, `stubborn` does not hear SIGTERM, `crash` writes "out of luck" to its log and exits with 3.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, it } from "node:test";
import { systemClock } from "@sheaf/runtime";
import { NO_NEEDS } from "./needs.ts";
import type { Provisioner, WorkerExit, WorkerSpec } from "./provisioner.ts";

export interface Place {
  /** A driver on this place; several after each other see the same workers. */
  open(): Provisioner;
  /** Whether any process of that worker lives. */
  lives(id: string): Promise<boolean>;
  /** Resolves when the worker has come so far that it hears, or ignores, SIGTERM. */
  ready(id: string): Promise<void>;
  /** Ends the worker behind the driver's back. */
  kill(id: string): Promise<void>;
  /** Removes the place and all that lives in it. */
  dispose(): Promise<void>;
}

const spec = (id: string = randomUUID().replaceAll("-", "")): WorkerSpec => ({
  id,
  slots: 2,
  masters: ["127.0.0.1:1"],
  mergers: ["127.0.0.1:2", "127.0.0.1:3"],
  store: "file:///tmp/x y",
  needs: NO_NEEDS,
});

const ids = async (driver: Provisioner) => (await driver.list()).map(({ id }) => id);

/** The next end of a worker. */
function nextExit(driver: Provisioner): Promise<WorkerExit> {
  return new Promise((resolve) => {
    const off = driver.onExit((exit) => {
      off();
      resolve(exit);
    });
  });
}

export function provisionerSuite(name: string, makePlace: () => Promise<Place>): void {
  describe(`provisioner: ${name}`, () => {
    let place: Place;
    let driver: Provisioner;

    beforeEach(async () => {
      place = await makePlace();
      driver = place.open();
    });
    afterEach(async () => {
      await driver.close();
      await place.dispose();
    });

    it("creates, lists and removes", async () => {
      const [a, b] = [spec(), spec()];
      await Promise.all([driver.create("good", a), driver.create("good", b)]);
      assert.deepEqual(await ids(driver), [a.id, b.id].sort());
      await place.ready(a.id);
      let handle = (await driver.list()).find(({ id }) => id === a.id);
      for (; handle?.state === "starting"; handle = (await driver.list()).find(({ id }) => id === a.id)) {
        await systemClock.sleep(5); // it runs, and the news of it is on its way
      }
      assert.deepEqual([handle?.pool, handle?.state], ["good", "running"]);
      const exit = nextExit(driver);
      await driver.remove(a.id, { graceMs: 10_000 });
      assert.deepEqual([(await exit).id, (await exit).asked], [a.id, true]);
      assert.deepEqual(await ids(driver), [b.id]);
      assert.equal(await place.lives(a.id), false);
      assert.ok(driver.nodes() >= 1);
    });

    it("V1: creating the same worker twice, also at the same time, makes one", async () => {
      const a = spec();
      await Promise.all([driver.create("good", a), driver.create("good", a)]);
      await driver.create("good", a);
      assert.deepEqual(await ids(driver), [a.id]);
    });

    it("V2: removing what is gone, never was, or is being removed, is no error", async () => {
      await driver.remove("0".repeat(32), { graceMs: 0 });
      const a = spec();
      await driver.create("good", a);
      await Promise.all([driver.remove(a.id, { graceMs: 10_000 }), driver.remove(a.id, { graceMs: 10_000 })]);
      await driver.remove(a.id, { graceMs: 0 });
      assert.deepEqual(await ids(driver), []);
    });

    it("shows a worker that was asked to go, and ends one that does not hear", async () => {
      const a = spec();
      await driver.create("stubborn", a);
      await place.ready(a.id);
      const begun = systemClock.now();
      const removed = driver.remove(a.id, { graceMs: 300 });
      while ((await driver.list())[0]?.state !== "stopping") await systemClock.sleep(5);
      await removed;
      const tookMs = systemClock.now() - begun;
      assert.ok(tookMs >= 299 && tookMs < 10_000, `it took ${tookMs} ms`);
      assert.equal(await place.lives(a.id), false);
    });

    it("V4: tells the end of a worker once, with its code and its last words", async () => {
      const seen: WorkerExit[] = [];
      driver.onExit((exit) => seen.push(exit));
      const exit = nextExit(driver);
      const a = spec();
      await driver.create("crash", a);
      assert.deepEqual(
        { ...(await exit), logTail: (await exit).logTail.trim() },
        {
          id: a.id,
          pool: "crash",
          asked: false,
          code: 3,
          signal: undefined,
          logTail: "out of luck",
          why: undefined,
          taken: false,
        },
      );
      assert.equal(seen.length, 1);
      assert.deepEqual(await ids(driver), []);
    });

    it("V3, V5: a successor finds the workers of its predecessor, hears of their end, and removes them", async () => {
      const [a, b, c] = [spec(), spec(), spec()];
      for (const one of [a, b, c]) await driver.create("good", one);
      await driver.close();
      await place.kill(c.id);
      driver = place.open();
      assert.deepEqual(await ids(driver), [a.id, b.id].sort());
      const exit = nextExit(driver);
      await place.kill(a.id);
      assert.deepEqual([(await exit).id, (await exit).asked], [a.id, false]);
      await driver.create("good", b);
      await driver.remove(b.id, { graceMs: 10_000 });
      assert.equal(await place.lives(b.id), false);
    });
  });
}
