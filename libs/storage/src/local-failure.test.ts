import assert from "node:assert/strict";
import { test } from "node:test";
import { invalidArgument } from "@sheaf/runtime";
import { localFailure } from "./local-failure.ts";

const failureOf = (code: string) =>
  localFailure(Object.assign(new Error(code), { code }), "/data/store", "store packs/a");

test("errors of the file system become errors that say which folder and what to do", () => {
  const cases = {
    ENOSPC: "STORE_FULL",
    EDQUOT: "STORE_FULL",
    EACCES: "STORE_NOT_WRITABLE",
    EPERM: "STORE_NOT_WRITABLE",
    EROFS: "STORE_NOT_WRITABLE",
    EMFILE: "TOO_MANY_OPEN_FILES",
    ENOTDIR: "KEY_INVALID",
    EIO: "STORE_UNAVAILABLE",
  };
  for (const [errno, reason] of Object.entries(cases)) {
    const failure = failureOf(errno);
    assert.equal(failure.reason, reason, errno);
    assert.match(failure.message, /\/data\/store/);
    assert.match(failure.message, /store packs\/a/);
  }
});

test("what is a SheafError already stays what it is", () => {
  const error = invalidArgument("X", "x");
  assert.equal(localFailure(error, "/", "x"), error);
});
