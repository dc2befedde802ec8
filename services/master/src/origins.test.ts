import assert from "node:assert/strict";
import { it } from "node:test";
import { requireOrigins } from "./origins.ts";

it("takes origins as browsers say them, and refuses what would match nobody", () => {
  requireOrigins(["https://console.example:8443", "http://localhost:3000", "https://x.example"]);
  for (const each of ["*", "x.example", "https://x.example/", "https://x.example/app", "ftp://x", "https://X.example"])
    assert.throws(() => requireOrigins([each]), { code: "INVALID_ARGUMENT", reason: "SETTING_INVALID" }, each);
});
