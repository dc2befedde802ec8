// Each service by hand: without what it needs it says so, and ends with the documented exit code.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { freePorts } from "@sheaf/provision";
import { serviceProgram } from "../kit/service-program.ts";

function service(name: "master" | "merge" | "worker", args: readonly string[]) {
  return spawnSync(process.execPath, [serviceProgram(name), ...args], { encoding: "utf8", timeout: 60_000 });
}

for (const name of ["master", "merge", "worker"] as const) {
  test(`${name} --help names its flags`, () => {
    const { status, stdout } = service(name, ["--help"]);
    assert.equal(status, 0);
    assert.match(stdout, /--store/);
  });

  test(`${name} refuses a flag that it does not know, with the nearest one`, () => {
    const { status, stderr } = service(name, ["--stor", "file:///x"]);
    assert.equal(status, 2);
    assert.match(stderr, /--store/);
    assert.doesNotMatch(stderr, /^\s+at /m);
  });
}

for (const name of ["master", "merge"] as const) {
  test(`${name} without an etcd says which address it tried, and how long`, async () => {
    const [port] = await freePorts(1);
    const flags = [
      "--etcd",
      `127.0.0.1:${port}`,
      "--store",
      "file:///tmp/sheaf-no-store",
      "--dispatch-listen",
      "127.0.0.1:0",
    ];
    const { status, stderr } = service(name, name === "master" ? [...flags, "--data", "/tmp/sheaf-no-data"] : flags);
    assert.equal(status, 3, stderr);
    assert.match(stderr, new RegExp(`127.0.0.1:${port}`));
    assert.match(stderr, /\d+ ?(s|ms|seconds)/);
  });
}
