import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { VERSION } from "./version.ts";

test("the version is that of package.json", () => {
  const file = join(import.meta.dirname, "..", "..", "..", "package.json");
  assert.equal(VERSION, (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version);
});
