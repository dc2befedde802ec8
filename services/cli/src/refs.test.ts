import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseCommitRef, parseFileRef } from "./refs.ts";

describe("parseCommitRef", () => {
  it("takes a repo, alone or with a branch or commit", () => {
    assert.deepEqual(parseCommitRef("logs"), { repo: "logs", ref: "master" });
    assert.deepEqual(parseCommitRef("logs@dev"), { repo: "logs", ref: "dev" });
  });
  for (const text of ["", "@x", "logs@", "a@b@c", "logs@dev:/x"]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseCommitRef(text), {
        code: "INVALID_ARGUMENT",
        message: /does not name a commit: write REPO/,
      });
    });
  }
});

describe("parseFileRef", () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ["logs", "logs", "master", "/"],
    ["logs@dev", "logs", "dev", "/"],
    ["logs:/a", "logs", "master", "/a"],
    ["logs@dev:/a/b.txt", "logs", "dev", "/a/b.txt"],
    ["logs@dev:a", "logs", "dev", "/a"],
    ["logs@dev:/a:b@c d", "logs", "dev", "/a:b@c d"],
    ["logs@dev:", "logs", "dev", "/"],
  ];
  for (const [text, repo, ref, path] of cases) {
    it(`reads ${text}`, () => assert.deepEqual(parseFileRef(text), { repo, ref, path }));
  }
  for (const text of ["", ":/a", "@dev:/a", "logs@:/a", "a@b@c:/x"]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseFileRef(text), { code: "INVALID_ARGUMENT", message: /does not name a file/ });
    });
  }
});
