import assert from "node:assert/strict";
import { test } from "node:test";
import { isSupportedVersion } from "./version.ts";

test("isSupportedVersion() takes 3.5.33, 3.6.14 and all that is newer", () => {
  for (const version of ["3.5.33", "3.5.40", "3.6.14", "3.6.15", "3.7.0", "3.7.1", "4.0.0", "3.7.0-rc.1"]) {
    assert.ok(isSupportedVersion(version), version);
  }
  for (const version of ["3.5.32", "3.6.13", "3.4.23", "2.3.8", "", "unknown"])
    assert.ok(!isSupportedVersion(version), version);
});
