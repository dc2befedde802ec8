import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "@sheaf/runtime";
import { Trouble } from "./trouble.ts";

const REFUSED =
  "14 UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:2379. Resolution note: ";
const FULL = "8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded";

test("a silence is told when it has lasted, with its newest cause, and ends with any answer (H1)", async () => {
  const clock = manualClock();
  const trouble = new Trouble(clock);
  assert.equal(trouble.describe(), undefined);
  trouble.failed(new Error("14 UNAVAILABLE: Connection dropped"));
  assert.equal(trouble.describe(), undefined, "a failover");
  await clock.advance(2_000);
  trouble.failed(new Error(REFUSED));
  assert.equal(trouble.describe(), "etcd does not answer: connect ECONNREFUSED 127.0.0.1:2379 (for 2 s)");
  trouble.answered();
  assert.equal(trouble.describe(), undefined);
  trouble.failed(new Error(REFUSED));
  assert.equal(trouble.describe(), undefined, "it counts from the first call that failed after the answer");
});

test("no space is told at once, and ends only with a write (H2)", () => {
  const trouble = new Trouble(manualClock());
  trouble.failed(new Error(FULL));
  assert.match(trouble.describe() ?? "", /^etcd has no space left: compact, defragment/);
  trouble.answered();
  assert.match(trouble.describe() ?? "", /no space/);
  trouble.written();
  assert.equal(trouble.describe(), undefined);
});
