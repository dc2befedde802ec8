// Commands that run in containers beside the worker (--user-volume).

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { specOf } from "./testing/job-kit.ts";
import { whyNoPod } from "./testing/pod-kit.ts";
import { openBench } from "./testing/worker-kit.ts";

const { SUCCESS } = api.DatumState;
const skip = whyNoPod() ?? false;

describe("a worker with containers", { skip }, () => {
  it("runs programs of an image that has no shell, with its PATH and environment", async () => {
    await using bench = await openBench({
      pod: { image: ["/opt/only/cp", "/opt/only/env"], env: { PATH: "/opt/only", MODEL: "it's big" } },
    });
    const outcomes = await bench.run(specOf({ cmd: ["cp", "/pfs/in/a", "/pfs/out/copy"] }), { "/a": "1" });
    assert.deepEqual(
      outcomes.map(({ row, files }) => [row.state, row.message, Object.fromEntries(files)]),
      [[SUCCESS, "", { "/copy": "1" }]],
    );
  });
});
