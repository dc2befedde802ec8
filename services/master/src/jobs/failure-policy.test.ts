import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import { failuresAllowed, givesUpAfter } from "./failure-policy.ts";

const allowed = (fields: { maxFailed?: bigint; minSuccessRatio?: number }, datums: number) =>
  failuresAllowed(create(api.FailurePolicySchema, fields), datums);

describe("failuresAllowed()", () => {
  it("is none without a policy, and with an empty one", () => {
    assert.equal(failuresAllowed(undefined, 10), 0);
    assert.equal(allowed({}, 10), 0);
    assert.equal(allowed({ maxFailed: 0n }, 10), 0);
  });

  it("is the number, or all there are", () => {
    assert.equal(allowed({ maxFailed: 3n }, 10), 3);
    assert.equal(allowed({ maxFailed: 30n }, 10), 10);
  });

  it("is what the share leaves over, never one too many", () => {
    const rows: readonly [ratio: number, datums: number, most: number][] = [
      [1, 10, 0],
      [0, 10, 10],
      [0.9, 10, 1],
      [0.95, 10, 0],
      [0.55, 100, 45],
      [0.1, 3, 2],
      [1 / 3, 3, 2],
      [0.999_999, 10_000_000, 10],
      [0.5, 0, 0],
      [0.5, 1, 0],
    ];
    for (const [minSuccessRatio, datums, most] of rows) {
      assert.equal(allowed({ minSuccessRatio }, datums), most, `${minSuccessRatio} of ${datums}`);
      const share = datums === 0 ? 1 : (datums - most) / datums;
      assert.ok(share >= minSuccessRatio - 1e-9);
    }
  });
});

describe("givesUpAfter()", () => {
  it("is 1,000, or the first failure that breaks a policy that allows as many", () => {
    assert.deepEqual([0, 999, 1_000, 5_000].map(givesUpAfter), [1_000, 1_000, 1_001, 5_001]);
  });
});
