import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { beatInterval, DEFAULT_TIMING, silence } from "./timing.ts";

describe("Timing", () => {
  it("calls a worker silent early enough for its work to run on another within 8 s", () => {
    assert.equal(silence(DEFAULT_TIMING, 4), 5_000);
  });

  it("waits for three beats of a large pool, whose beats are rare", () => {
    assert.equal(silence(DEFAULT_TIMING, 1_000), 3 * beatInterval(DEFAULT_TIMING, 1_000));
  });
});
