import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dataLoss, failedPrecondition, manualClock, testLogger, unavailable } from "@sheaf/runtime";
import { memoryStore } from "@sheaf/storage";
import { patientStore } from "./patient-store.ts";

describe("patientStore()", () => {
  it("tries again while the store is away, and not when something is lost", async () => {
    const clock = manualClock();
    const memory = memoryStore();
    let away = 3;
    let calls = 0;
    const flaky = {
      ...memory,
      put: async (key: string, source: Uint8Array) => {
        calls++;
        if (away-- > 0) throw failedPrecondition("STORE_NOT_WRITABLE", "read-only");
        return memory.put(key, source);
      },
      get: async (key: string): Promise<Uint8Array> => {
        calls++;
        if (away-- > 0) throw unavailable("STORE_UNAVAILABLE", "away");
        if (key === "lost") throw dataLoss("OBJECT_MISSING", "gone");
        return memory.get(key);
      },
    };
    const store = patientStore(flaky as never, clock, testLogger());
    assert.equal(await clock.until(store.put("a", Buffer.from("1"))), "created");
    assert.equal(calls, 4);
    away = 2;
    assert.deepEqual(Buffer.from(await clock.until(store.get("a"))), Buffer.from("1"));
    calls = 0;
    await assert.rejects(store.get("lost"), /gone/);
    assert.equal(calls, 1);
    away = Number.POSITIVE_INFINITY;
    await assert.rejects(clock.until(store.get("a")), /away/);
    assert.equal(clock.pending(), 0);
  });
});
