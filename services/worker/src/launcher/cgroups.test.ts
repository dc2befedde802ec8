import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openSlot, place } from "./slot.test-kit.ts";

const memory = { memoryBytes: 64 * 2 ** 20 };
const HOG = ["awk", 'BEGIN { s = "x"; while (1) s = s s }'];

describe("a slot's limits", { skip: place === undefined ? "no cgroups can be made here" : false }, () => {
  it("end a command that takes more memory than it may, say so, and leave the next alone", async () => {
    using slot = await openSlot();
    assert.deepEqual((await slot.run({ argv: HOG, limits: memory })).ended, {
      kind: "exited",
      status: 137,
      why: "",
      oom: true,
    });
    assert.deepEqual((await slot.run({ argv: ["true"], limits: memory })).ended, {
      kind: "exited",
      status: 0,
      why: "",
      oom: false,
    });
    const killed = await slot.run({ argv: ["sh", "-c", "kill -9 $$"], limits: memory });
    assert.deepEqual(killed.ended, { kind: "exited", status: 137, why: "", oom: false }, "somebody sent it");
    // A child was killed; what that means is for the shell to say, by its status.
    const child = await slot.run({ argv: ["sh", "-c", `awk '${HOG[1]}'; echo $?`], limits: memory });
    assert.deepEqual(child.ended, { kind: "exited", status: 0, why: "", oom: true });
    assert.deepEqual(slot.troubles, []);
  });

  it("contain a fork bomb", async () => {
    using slot = await openSlot(100);
    const bomb = "f() { f & f & wait; }; f";
    for (let i = 0; i < 2; i++) {
      await slot.run({ argv: ["sh", "-c", bomb], limits: { pids: 50 }, timeoutMs: 1_000 });
      const next = await slot.run({ argv: ["sh", "-c", "echo fine"], limits: { pids: 50 } });
      assert.deepEqual(next, { ended: { kind: "exited", status: 0, why: "" }, stdout: "fine\n", stderr: "" });
    }
    assert.deepEqual(slot.troubles, []);
  });

  it("are those of the command, and of a number of processes in every case", async (t) => {
    const [pids, cpu] = [place?.parents.get("pids"), place?.parents.get("cpu")];
    if (pids === undefined || cpu === undefined) return t.skip("needs cgroups with pids and cpu");
    using slot = await openSlot();
    const quota = place?.version === 1 ? "cpu.cfs_quota_us" : "cpu.max";
    const own = "own=$(sed -n 's/.*\\(sheaf-test-[-0-9]*\\).*/\\1/p' /proc/self/cgroup | head -n 1)";
    const max = { argv: ["sh", "-c", `${own}; cat ${pids}/$own/pids.max; cut -d ' ' -f 1 ${cpu}/$own/${quota}`] };
    const none = place?.version === 1 ? "-1" : "max";
    assert.equal((await slot.run(max)).stdout, `4098\n${none}\n`);
    assert.equal((await slot.run({ ...max, limits: { pids: 20, cpu: 0.5 } })).stdout, "22\n50000\n");
    assert.equal((await slot.run(max)).stdout, `4098\n${none}\n`);
  });

  it("go with the slot", async () => {
    const slot = await openSlot();
    const own = await slot.run({ argv: ["cat", "/proc/self/cgroup"] });
    const name = /sheaf-test-[-\d]+/.exec(own.stdout)?.[0] ?? assert.fail(own.stdout);
    slot.slot.close();
    for (const parent of place?.parents.values() ?? []) assert.equal(existsSync(join(parent, name)), false);
  });
});
