import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Attempted, failureOf, fitMessage } from "./outcome.ts";

const attempted: Attempted = {
  argv: ["./run", "x"],
  path: "/bin",
  workingDir: "",
  timeoutMs: 1_500,
  accepted: new Set([3, 137]),
  memory: "",
  lastWords: "",
};
const exited = (status: number, why: "" | "missing" | "denied" = "") =>
  failureOf({ kind: "exited", status, why }, attempted);

describe("failureOf()", () => {
  it("takes 0 and the accepted codes as success, also those of signals", () => {
    assert.equal(exited(0), undefined);
    assert.equal(exited(3), undefined);
    assert.equal(exited(137), undefined);
  });

  it("names what failed", () => {
    assert.deepEqual(exited(1), { reason: "EXIT_1", message: "the command exited with code 1" });
    assert.deepEqual(exited(143), { reason: "SIGNAL_15", message: "the command was ended by signal 15 (SIGTERM)" });
    assert.equal(exited(255)?.reason, "EXIT_255");
    assert.equal(exited(127)?.reason, "EXIT_127");
    assert.deepEqual(exited(127, "missing"), {
      reason: "COMMAND_NOT_FOUND",
      message: 'the command "./run" does not exist (looked for in the datum\'s folder)',
    });
    assert.equal(exited(126, "denied")?.reason, "NOT_EXECUTABLE");
    const timeout = failureOf({ kind: "timed-out" }, { ...attempted, lastWords: "still here" });
    assert.deepEqual(timeout, {
      reason: "TIMEOUT",
      message: "the command ran longer than datum_timeout, 1500 ms, and was killed: still here",
    });
  });

  it("takes SIGKILL as want of memory, unless it is known to be something else", () => {
    const killed = (more: { status?: number; oom?: boolean }, of: Partial<Attempted> = {}) =>
      failureOf({ kind: "exited", status: 137, why: "", ...more }, { ...attempted, accepted: new Set(), ...of });
    assert.deepEqual(killed({}), {
      reason: "OOM",
      message: "the command was ended by SIGKILL, and nobody here sent it: it probably ran out of memory",
    });
    assert.deepEqual(killed({ oom: true, status: 1 }, { memory: "2Gi", lastWords: "Killed" }), {
      reason: "OOM",
      message: "the command needed more memory than it may have, and the kernel ended it; its limit is 2Gi: Killed",
    });
    assert.equal(killed({ oom: false })?.reason, "SIGNAL_9");
    assert.equal(killed({ oom: false, status: 3 })?.reason, "EXIT_3");
    assert.equal(killed({ oom: true, status: 0 }), undefined, "it got over it");
  });

  it("keeps messages below 1 KiB, and characters whole", () => {
    for (const text of ["x".repeat(5_000), "ü".repeat(1_000), `a${"🙂".repeat(600)}`]) {
      const message = fitMessage(text);
      assert.ok(Buffer.byteLength(message) <= 1_024);
      assert.ok(message.endsWith("...") && !message.includes("\ufffd"));
    }
    assert.equal(fitMessage("short"), "short");
  });
});
