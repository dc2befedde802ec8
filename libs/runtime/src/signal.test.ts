import assert from "node:assert/strict";
import { test } from "node:test";
import { Signal } from "./signal.ts";

test("Signal: nothing is kept until it is armed", async () => {
  const signal = new Signal<number>();
  signal.emit(1);
  assert.throws(() => signal.wait());
  signal.arm();
  signal.emit(2);
  assert.equal(await signal.wait(), 2);
});

test("Signal.wait() takes the first match, from before or after the call, once", async () => {
  const signal = new Signal<number>().arm();
  signal.emit(1);
  signal.emit(2);
  assert.equal(await signal.wait((n) => n > 1), 2);
  const next = signal.wait((n) => n > 1);
  signal.emit(1);
  signal.emit(5);
  assert.equal(await next, 5);
  assert.equal(await signal.wait(), 1);
});

test("Signal<void> works", async () => {
  const signal = new Signal<void>().arm();
  signal.emit();
  await signal.wait();
});
