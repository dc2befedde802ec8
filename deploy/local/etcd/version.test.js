import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isGood, versionOf } from "./version.js";

const VERSIONS = {
  good: ["3.5.33", "3.5.40", "3.6.14", "3.6.15", "3.7.1", "3.8.0", "3.6.14-custom"],
  bad: ["2.3.8", "3.4.23", "3.4.99", "3.5.12", "3.5.32", "3.6.0", "3.6.13", "3.7.0", "nonsense"],
};

test("versions with bugs that lose leases or events are refused", () => {
  assert.deepEqual(
    VERSIONS.good.filter((version) => !isGood(version)),
    [],
  );
  assert.deepEqual(VERSIONS.bad.filter(isGood), []);
});

test("a program that is no etcd says why", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sheaf-etcd-version-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = join(folder, "etcd");
  writeFileSync(program, "#!/bin/sh\necho something else\n");
  assert.match((await versionOf(program)).fault, /EACCES/);
  chmodSync(program, 0o755);
  assert.match((await versionOf(program)).fault, /something else/);
  assert.match((await versionOf(folder)).fault, /not a file/);
  assert.match((await versionOf(join(folder, "nothing"))).fault, /no such file/);
});
