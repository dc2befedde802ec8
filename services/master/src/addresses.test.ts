import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requireAddresses, requireOrigins } from "./addresses.ts";

describe("lists of addresses in settings", () => {
  it("takes origins as browsers say them, and refuses what would match nobody", () => {
    requireOrigins(["https://console.example:8443", "http://localhost:3000", "https://x.example"]);
    for (const each of [
      "*",
      "console.example",
      "https://x.example/",
      "https://x.example/app",
      "ftp://x",
      "https://X.example",
    ])
      assert.throws(() => requireOrigins([each]), { code: "INVALID_ARGUMENT", reason: "SETTING_INVALID" }, each);
  });

  it("names the flag and the value that is no address", () => {
    requireAddresses("--merge-dispatch", ["127.0.0.1:7452", "[::1]:1"]);
    const message = /^--merge-dispatch: "nonsense": is not an address/;
    assert.throws(() => requireAddresses("--merge-dispatch", ["127.0.0.1:1", "nonsense"]), { message });
  });
});
