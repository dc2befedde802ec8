import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import fc from "fast-check";
import { pageToken, readPage } from "./paging.ts";

const page = (size: number, token = "") => create(api.PageSchema, { size, token });

describe("readPage()", () => {
  it("has a default", () => {
    assert.deepEqual(readPage(undefined, "repos"), { size: 100, after: undefined });
    assert.deepEqual(readPage(page(0), "repos"), { size: 100, after: undefined });
    assert.deepEqual(readPage(page(1_000), "repos"), { size: 1_000, after: undefined });
  });

  it("refuses a page that is too big", () => {
    assert.throws(() => readPage(page(1_001), "repos"), { code: "INVALID_ARGUMENT", reason: "PAGE_INVALID" });
  });

  it("reads what it wrote", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((text) => text.isWellFormed()),
        (after) => {
          assert.equal(readPage(page(1, pageToken("files", after)), "files").after, after);
        },
      ),
    );
  });

  it("refuses what it did not write, whatever it is", () => {
    const texts = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.constant(pageToken("repos", "a")),
      fc.constant("x".repeat(1_000_000)),
    );
    fc.assert(
      fc.property(
        texts.filter((text) => text !== ""),
        (token) => {
          assert.throws(() => readPage(page(1, token), "jobs"), {
            code: "INVALID_ARGUMENT",
            reason: "PAGE_TOKEN_INVALID",
          });
        },
      ),
    );
  });
});
