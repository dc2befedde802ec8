/** What is refused before a call is made. The calls: test/clients/browser.test.ts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "./connect-web.ts";

describe("connect in a browser", () => {
  it("takes URLs only", () => {
    for (const address of ["", "localhost:7450", "ftp://host", "https://", "https://host/?a=b", "https://host/#a"])
      assert.throws(() => connect(address), { reason: "ADDRESS_INVALID", message: /https:\/\/host:port/ }, address);
  });

  it("sends no token in plain text, and none that is none", () => {
    const plain = () => connect("http://sheaf.example.com:7450", { token: "t" });
    assert.throws(plain, { reason: "TOKEN_IN_PLAIN_TEXT", message: /https:\/\// });
    assert.throws(() => connect("https://host", { token: "a\nb" }), { reason: "TOKEN_INVALID" });
  });
});
