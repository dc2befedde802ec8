import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Grantor, grantUser } from "./grant.ts";

const plain: Grantor = { uid: 1000, gid: 1001, canMount: false, path: process.env.PATH ?? "" };
const root: Grantor = { ...plain, uid: 0, gid: 0, canMount: true };

describe("grantUser()", () => {
  for (const [what, text, grantor] of [
    ["nobody in particular", "", plain],
    ["the worker's own user", "1000", plain],
    ["the worker's own user and group", "1000:1001", plain],
    ["root, when it is the worker's user", "root", { ...root, canMount: false }],
  ] as const) {
    it(`lets a command run as ${what}, without a change`, () =>
      assert.deepEqual(grantUser(text, grantor), { ok: true, user: undefined }));
  }

  for (const [what, text, grantor, reason, message] of [
    [
      "somebody else, where the worker is not root",
      "1002",
      plain,
      "USER_DENIED",
      /runs as uid 1000, .*start it as root/,
    ],
    ["another group, where the worker is not root", "1000:1002", plain, "USER_DENIED", /start it as root/],
    ["root, where the worker is not", "0", plain, "USER_DENIED", /start it as root/],
    ["somebody, where nothing can be mounted", "1002", { ...root, canMount: false }, "USER_DENIED", /CAP_SYS_ADMIN/],
    [
      "somebody, where setpriv is not installed",
      "1002",
      { ...root, path: "/none" },
      "USER_DENIED",
      /setpriv of util-linux/,
    ],
    ["who is not known", "no-such-user", root, "UNKNOWN_USER", /"no-such-user" in \/etc\/passwd/],
    ["a group that is not known", "1002:no-such", root, "UNKNOWN_USER", /"no-such" in \/etc\/group/],
  ] as const) {
    it(`refuses ${what}, and says what to do`, () => {
      const granted = grantUser(text, grantor);
      assert.ok(!granted.ok);
      assert.equal(granted.failure.reason, reason);
      assert.match(granted.failure.message, message);
    });
  }
});
