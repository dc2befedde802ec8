import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { badAnswer, parseAnswer, variablesFile } from "./line.ts";

describe("parseAnswer()", () => {
  it("takes the two answers, and nothing else", () => {
    assert.deepEqual(parseAnswer("ok 17"), { kind: "ok", number: 17 });
    assert.deepEqual(parseAnswer("fail 17 3"), { kind: "fail", number: 17, code: 3, message: "" });
    assert.deepEqual(parseAnswer("fail 17 255 a  b "), { kind: "fail", number: 17, code: 255, message: "a  b " });
    for (const line of [
      "",
      "ok",
      "ok ",
      "ok x",
      "ok 1 2",
      " ok 1",
      "OK 1",
      "ok -1",
      "fail 1",
      "fail 1 0",
      "fail 1 256",
      "fail 1 x",
    ])
      assert.deepEqual(parseAnswer(line), { kind: "nonsense" }, line);
  });
});

describe("badAnswer()", () => {
  it("says whether the form, the number or the moment is wrong", () => {
    const out = { number: 5, isAnswered: false };
    assert.match(badAnswer("done", out), /^the command answered "done"; an answer is "ok NUMBER" or "fail NUMBER CODE/);
    assert.match(badAnswer("fail 5 999 x", out), /CODE of 1 to 255$/);
    assert.match(
      badAnswer("ok 4", out),
      /^the command answered "ok 4" while it had the datum with NUMBER 5: answer each/,
    );
    assert.match(badAnswer("ok 4", undefined), /^the command answered "ok 4" while it had no datum: answer each/);
    assert.match(
      badAnswer("ok 5", { ...out, isAnswered: true }),
      /^the command answered "ok 5", and had answered that/,
    );
    assert.ok(badAnswer("x".repeat(100_000), out).length < 500);
  });
});

describe("variablesFile()", () => {
  it("is read by a shell as it was meant", () => {
    const values = ["", " a  b ", "it's", '$(x)`y`\\ "', "two\nlines\n\n", "\u00fc\u20ac", "'", "\\'"];
    const dir = mkdtempSync(join(tmpdir(), "sheaf-variables-test-"));
    try {
      const variables = values.map((value, i) => [`V${i}`, value] as const);
      writeFileSync(join(dir, "file"), variablesFile([...variables, ["my-repo", "x"], ["a b", "x"], ["1a", "x"]]));
      const print = variables.map(([name]) => `printf '%s\\0' "$${name}"`).join(";");
      const { stdout, stderr } = spawnSync("sh", ["-eu", "-c", `. ./file; ${print}`], { cwd: dir, encoding: "utf8" });
      assert.deepEqual([stdout.split("\0").slice(0, -1), stderr], [values, ""]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
