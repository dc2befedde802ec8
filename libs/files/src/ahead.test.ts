import assert from "node:assert/strict";
import { test } from "node:test";
import { ahead } from "./ahead.ts";

/** Tasks that end when they are told to. */
function gated(count: number) {
  const begun: number[] = [];
  const dropped: number[] = [];
  const gates: { resolve: (value: number) => void; reject: (error: Error) => void }[] = [];
  const tasks = Array.from({ length: count }, (_, i) => () => {
    begun.push(i);
    return new Promise<number>((resolve, reject) => gates.push({ resolve, reject }));
  });
  return { begun, dropped, gates, results: (limit: number) => ahead(tasks, limit, (result) => dropped.push(result)) };
}

test("results come in the order of their tasks, and no more are begun than may be there", async () => {
  const { begun, gates, results } = gated(5);
  const got: number[] = [];
  const over = (async () => {
    for await (const result of results(3)) got.push(result);
  })();
  assert.deepEqual(begun, [0, 1, 2]);
  gates[1]?.resolve(1);
  gates[2]?.resolve(2);
  await new Promise(setImmediate);
  assert.deepEqual([got, begun], [[], [0, 1, 2]]);
  gates[0]?.resolve(0);
  await new Promise(setImmediate);
  assert.deepEqual(
    [got, begun],
    [
      [0, 1, 2],
      [0, 1, 2, 3, 4],
    ],
  );
  gates[4]?.resolve(4);
  gates[3]?.resolve(3);
  await over;
  assert.deepEqual(got, [0, 1, 2, 3, 4]);
});

test("one that fails is told in its turn, and what was begun after it is dropped when it is there", async () => {
  const { gates, dropped, results } = gated(9);
  const got: number[] = [];
  let isOver = false;
  const over = assert
    .rejects(
      async () => {
        for await (const result of results(4)) got.push(result);
      },
      { message: "task 1" },
    )
    .then(() => {
      isOver = true;
    });
  gates[1]?.reject(new Error("task 1"));
  gates[3]?.resolve(3);
  gates[0]?.resolve(0);
  await new Promise(setImmediate);
  assert.deepEqual([got, isOver], [[0], false]);
  gates[2]?.resolve(2);
  gates[4]?.reject(new Error("nobody asks"));
  await over;
  assert.deepEqual(dropped, [2, 3]);
});

test("who stops in the middle leaves nothing behind", async () => {
  const { gates, dropped, begun, results } = gated(9);
  const over = (async () => {
    for await (const result of results(3)) return result;
    return undefined;
  })();
  for (const i of [0, 1, 2]) gates[i]?.resolve(i);
  assert.equal(await over, 0);
  assert.deepEqual(
    [dropped, begun],
    [
      [1, 2],
      [0, 1, 2],
    ],
  );
});
