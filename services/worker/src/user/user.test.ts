import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findUser } from "./user.ts";

const accounts = {
  passwd:
    "root:x:0:0:root:/root:/bin/sh\nada:x:1001:1002:Ada,,:/home/ada:/bin/sh\n7:x:1007:1007::/home/7:/bin/sh\nbare:x:9:9:::\n",
  group: "root:x:0:\nstaff:x:50:ada\n1001:x:77:\n",
};

describe("findUser()", () => {
  for (const [text, expected] of [
    ["ada", { uid: 1001, gid: 1002, name: "ada", home: "/home/ada" }],
    ["1001", { uid: 1001, gid: 1002, name: "ada", home: "/home/ada" }],
    ["ada:staff", { uid: 1001, gid: 50, name: "ada", home: "/home/ada" }],
    ["ada:0", { uid: 1001, gid: 0, name: "ada", home: "/home/ada" }],
    ["ada:1001", { uid: 1001, gid: 77, name: "ada", home: "/home/ada" }],
    ["7", { uid: 1007, gid: 1007, name: "7", home: "/home/7" }],
    ["12345", { uid: 12345, gid: 12345, name: "12345", home: "/" }],
    ["12345:staff", { uid: 12345, gid: 50, name: "12345", home: "/" }],
    ["bare", { uid: 9, gid: 9, name: "bare", home: "/" }],
    ["root", { uid: 0, gid: 0, name: "root", home: "/root" }],
  ] as const) {
    it(`finds ${text}`, () => assert.deepEqual(findUser(text, accounts), { ok: true, user: expected }));
  }

  for (const [text, message] of [
    ["bob", /no user "bob" in \/etc\/passwd/],
    ["", /no user ""/],
    ["ada:nobodies", /no group "nobodies" in \/etc\/group/],
    ["x", /no user "x"/],
  ] as const) {
    it(`does not find ${JSON.stringify(text)}`, () => {
      const found = findUser(text, accounts);
      assert.ok(!found.ok);
      assert.match(found.message, message);
    });
  }

  it("takes numbers where there are no lists", () => {
    const found = findUser("5:6", { passwd: "", group: "" });
    assert.deepEqual(found, { ok: true, user: { uid: 5, gid: 6, name: "5", home: "/" } });
  });
});
