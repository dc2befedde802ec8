import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { inspect } from "node:util";
import { invalidArgument, messageOf, SheafError, toSheafError } from "./errors.ts";
import { Secret } from "./secret.ts";

test("a SheafError keeps its parts, and its cause for logs", () => {
  const cause = new Error("low");
  const details = [{ field: "glob", description: "does not parse" }];
  const error = invalidArgument("GLOB_INVALID", 'the glob "[" does not parse', {
    details,
    cause,
    metadata: { glob: "[" },
  });
  assert.ok(error instanceof Error);
  assert.equal(error.code, "INVALID_ARGUMENT");
  assert.equal(error.reason, "GLOB_INVALID");
  assert.deepEqual(error.details, details);
  assert.equal(error.cause, cause);
  assert.deepEqual(error.metadata, { glob: "[" });
});

test("toSheafError() knows aborts, timeouts and system errors; anything else is INTERNAL", async () => {
  const same = invalidArgument("X", "x");
  assert.equal(toSheafError(same), same);
  assert.equal(toSheafError(AbortSignal.abort().reason).code, "CANCELLED");
  assert.equal(toSheafError(new DOMException("late", "TimeoutError")).code, "DEADLINE_EXCEEDED");
  const missing = await readFile("/nowhere/at/all").catch(toSheafError);
  assert.ok(missing instanceof SheafError);
  assert.deepEqual([missing.code, missing.reason], ["NOT_FOUND", "FILE_NOT_FOUND"]);
  assert.match(missing.message, /\/nowhere\/at\/all/);
  assert.equal(toSheafError(Object.assign(new Error("full"), { code: "ENOSPC" })).reason, "DISK_FULL");
  for (const thrown of [new TypeError("bug"), "text", undefined]) assert.equal(toSheafError(thrown).code, "INTERNAL");
});

test("messageOf() is one line", () => {
  assert.equal(messageOf(new Error("a\n  b\nc ")), "a b c");
});

test("a Secret shows nowhere but in reveal()", () => {
  const secret = new Secret("hunter2");
  assert.equal(secret.reveal(), "hunter2");
  for (const shown of [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }),
    inspect(secret, { showHidden: true }),
  ]) {
    assert.doesNotMatch(shown, /hunter2/);
    assert.match(shown, /redacted/);
  }
});
