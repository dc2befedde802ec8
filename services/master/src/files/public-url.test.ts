import assert from "node:assert/strict";
import { test } from "node:test";
import { readPublicUrl } from "./public-url.ts";

test("readPublicUrl() takes scheme, host and port, and nothing that would be lost or added", () => {
  assert.equal(readPublicUrl(undefined), undefined);
  assert.equal(readPublicUrl("https://sheaf.example.com:7450"), "https://sheaf.example.com:7450");
  assert.equal(readPublicUrl("http://127.0.0.1:7450/"), "http://127.0.0.1:7450");
  for (const wrong of [
    "",
    "sheaf.example.com:7450",
    "ftp://a",
    "https://a/path",
    "https://me:secret@a",
    "https://a?b",
  ]) {
    assert.throws(() => readPublicUrl(wrong), { reason: "SETTING_INVALID", message: /--public-url/ });
  }
});
