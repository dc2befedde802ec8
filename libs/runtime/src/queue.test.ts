import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BoundedQueue } from "./queue.ts";
import { Semaphore } from "./semaphore.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Whether the promise is settled by now. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  const mark = () => {
    done = true;
  };
  promise.then(mark, mark);
  await turn();
  return done;
}

test("BoundedQueue: push waits for room by count, in order", async () => {
  const queue = new BoundedQueue<number>({ maxCount: 2 });
  await queue.push(1);
  await queue.push(2);
  const third = queue.push(3);
  const fourth = queue.push(4);
  assert.equal(await settled(third), false);
  assert.equal(queue.tryPush(5), false);
  assert.deepEqual(await queue.take(), { done: false, item: 1 });
  assert.equal(await third, true);
  assert.equal(await settled(fourth), false);
  queue.close();
  assert.equal(await fourth, false);
  const rest: number[] = [];
  for await (const item of queue) rest.push(item);
  assert.deepEqual(rest, [2, 3]);
  assert.deepEqual(await queue.take(), { done: true });
  assert.equal(await queue.push(6), false);
});

test("BoundedQueue: weight bounds it too, and an item that is too heavy passes alone", async () => {
  const queue = new BoundedQueue<number>({ maxCount: 10, maxWeight: 10, weigh: (n) => n });
  await queue.push(25);
  const next = queue.push(1);
  assert.equal(await settled(next), false);
  await queue.take();
  assert.equal(await next, true);
  assert.equal(await queue.push(9), true);
  assert.equal(await settled(queue.push(1)), false);
  assert.equal(queue.weight, 10);
});

test("BoundedQueue: fail() ends both sides with its error and drops what waits", async () => {
  const error = new Error("stage broke");
  const queue = new BoundedQueue<number>({ maxCount: 1 });
  await queue.push(1);
  const pushing = queue.push(2);
  queue.fail(error);
  queue.fail(new Error("later"));
  await assert.rejects(pushing, error);
  await assert.rejects(queue.take(), error);
  assert.equal(queue.size, 0);
});

test("BoundedQueue: an abort takes only the caller out of the line", async () => {
  const queue = new BoundedQueue<number>({ maxCount: 1 });
  const abort = new AbortController();
  const taking = queue.take(abort.signal);
  const other = queue.take();
  abort.abort();
  await assert.rejects(taking, { name: "AbortError" });
  await queue.push(1);
  assert.deepEqual(await other, { done: false, item: 1 });
  await assert.rejects(queue.push(1, AbortSignal.abort()), { name: "AbortError" });
});

test("BoundedQueue: nothing is lost, doubled or reordered between several producers and consumers", async () => {
  const plan = fc.record({
    maxCount: fc.integer({ min: 1, max: 4 }),
    producers: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 4 }),
    consumers: fc.integer({ min: 1, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(plan, async ({ maxCount, producers, consumers }) => {
      const queue = new BoundedQueue<readonly [number, number]>({ maxCount });
      const got: (readonly [number, number])[] = [];
      const consume = async () => {
        for await (const item of queue) {
          assert.ok(queue.size <= maxCount);
          got.push(item);
          if (item[1] % 3 === 0) await turn();
        }
      };
      const consuming = Array.from({ length: consumers }, consume);
      await Promise.all(
        producers.map(async (count, producer) => {
          for (let i = 0; i < count; i++) await queue.push([producer, i]);
        }),
      );
      queue.close();
      await Promise.all(consuming);
      producers.forEach((count, producer) => {
        const mine = got.filter(([from]) => from === producer).map(([, i]) => i);
        assert.deepEqual(
          mine,
          Array.from({ length: count }, (_, i) => i),
        );
      });
    }),
    { numRuns: 60 },
  );
});

test("Semaphore: first come, first served, so a big request is not starved", async () => {
  const semaphore = new Semaphore(4);
  const held = await semaphore.acquire(3);
  const big = semaphore.acquire(4);
  const small = semaphore.acquire(1);
  assert.equal(await settled(small), false);
  assert.equal(semaphore.tryAcquire(1), undefined);
  held.release();
  held.release();
  const whole = await big;
  assert.equal(semaphore.used, 4);
  whole.release();
  await small;
  assert.equal(semaphore.used, 1);
});

test("Semaphore: a weight above the capacity gets the whole, alone", async () => {
  const semaphore = new Semaphore(4);
  using permit = await semaphore.acquire(100);
  assert.equal(permit.weight, 4);
  assert.equal(await settled(semaphore.acquire(1)), false);
});

test("Semaphore: who leaves the line lets the one behind it through", async () => {
  const semaphore = new Semaphore(2);
  await semaphore.acquire(1);
  const abort = new AbortController();
  const big = semaphore.acquire(2, abort.signal);
  const small = semaphore.acquire(1);
  abort.abort();
  await assert.rejects(big, { name: "AbortError" });
  await small;
  assert.equal(semaphore.waiting, 0);
});

test("Semaphore.with() gives the permit back, also after an error", async () => {
  const semaphore = new Semaphore(1);
  await assert.rejects(
    semaphore.with(1, async () => {
      throw new Error("x");
    }),
  );
  assert.equal(semaphore.used, 0);
});
