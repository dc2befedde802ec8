import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Meeting, meet, whyNotTogether } from "./versions.ts";

describe("versions that meet", () => {
  const table: readonly (readonly [string, string, Meeting])[] = [
    ["0.4.0", "0.4.0", "together"],
    ["0.4.0", "0.4.17", "together"],
    ["0.4.9", "0.5.0", "together"],
    ["0.5.0", "0.4.9", "together"],
    ["0.4.0", "0.6.0", "newer"],
    ["0.6.0", "0.4.9", "older"],
    ["0.9.0", "0.10.0", "together"],
    ["0.10.0", "0.8.9", "older"],
    ["0.9.9", "1.0.0", "newer"],
    ["1.0.0", "0.9.9", "older"],
    ["1.4.0", "2.4.0", "newer"],
    ["0.4.0", "0.5.0-rc.1", "together"],
    ["0.4.0", "", "unknown"],
    ["0.4.0", "main", "unknown"],
    ["0.4.0", "0.4", "unknown"],
  ];
  for (const [own, other, expected] of table)
    it(`${own} takes ${other || "none"} for: ${expected}`, () => assert.equal(meet(own, other), expected));

  it("sees both the same from either side", () => {
    const mirrored = { together: "together", older: "newer", newer: "older", unknown: "unknown" };
    for (const [own, other] of table) assert.equal(meet(other, own), mirrored[meet(own, other)]);
  });

  it("says both versions, and which of them has to move", () => {
    const why = (version: string) =>
      whyNotTogether({ who: "the master", version: "0.4.0" }, { who: "worker w", version }) ?? "";
    assert.equal(why("0.5.2"), "");
    assert.match(
      why("0.2.1"),
      /^worker w has version 0\.2\.1, the master 0\.4\.0: .*upgrade worker w, one minor version/,
    );
    assert.match(why("0.6.0"), /upgrade the master/);
    assert.match(why(""), /version \(none\).*start worker w from a release/);
  });
});
