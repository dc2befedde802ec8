import assert from "node:assert/strict";
import { test } from "node:test";
import { completed, faultsOf } from "./lockfile.js";

const lock = () => ({
  packages: {
    "": { name: "sheaf" },
    "node_modules/tool": {
      version: "2.0.0",
      dev: true,
      resolved: "somewhere",
      optionalDependencies: { "tool-linux-x64": "2.0.0", "tool-linux-arm64-musl": "2.0.0" },
    },
    "node_modules/tool-linux-x64": { version: "2.0.0", optional: true },
    "node_modules/@sheaf/etcd": { resolved: "libs/etcd", link: true },
  },
});

test("a lockfile without other platforms or with addresses is at fault", () => {
  assert.deepEqual(faultsOf(lock()), [
    "tool-linux-arm64-musl has no entry (an optional package of another platform)",
    "node_modules/tool carries a download address",
  ]);
});

test("completing it heals both and keeps the links of workspaces", () => {
  const healed = completed(lock());
  assert.deepEqual(faultsOf(healed), []);
  assert.deepEqual(healed.packages["node_modules/tool-linux-arm64-musl"], {
    version: "2.0.0",
    cpu: ["arm64"],
    dev: true,
    libc: ["musl"],
    optional: true,
    os: ["linux"],
  });
  assert.equal(healed.packages["node_modules/@sheaf/etcd"].resolved, "libs/etcd");
});
