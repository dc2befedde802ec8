import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openControl } from "./control.ts";

const MEMORY = "/dev/shm";
const TMPFS = 0x01021994;
const hasMemory = existsSync(MEMORY) && statfsSync(MEMORY).type === TMPFS;

const root = mkdtempSync(join(tmpdir(), "sheaf-control-test-"));
const memory = hasMemory ? mkdtempSync(join(MEMORY, "sheaf-control-test-")) : "";
after(() => {
  rmSync(root, { recursive: true });
  if (hasMemory) rmSync(memory, { recursive: true });
});

describe("openControl()", () => {
  it("makes a folder in memory that nobody else may enter", { skip: !hasMemory && "no /dev/shm here" }, () => {
    const [one, other] = [openControl(root, memory), openControl(root, memory)];
    assert.notEqual(one, other);
    assert.ok(one.startsWith(`${memory}/`));
    assert.equal(statSync(one).mode & 0o777, 0o700);
    assert.ok(existsSync(other), "that of a process that lives stays");
  });

  it("removes what dead workers left, and nothing else", { skip: !hasMemory && "no /dev/shm here" }, () => {
    const script = `import { openControl } from ${JSON.stringify(join(import.meta.dirname, "control.ts"))};
      console.log(openControl(${JSON.stringify(root)}, ${JSON.stringify(memory)}));`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    const left = stdout.trim();
    assert.ok(existsSync(left), stdout);
    const foreign = join(memory, "sheaf-worker-0-1-abc");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "owner"), "999999999 1");
    openControl(root, memory);
    assert.equal(existsSync(left), false);
    assert.ok(existsSync(foreign), "of another PID namespace: who seems dead from here may live");
  });

  for (const [what, place] of [
    ["there is none", join(root, "nowhere")],
    ["it is on a disk", "/proc/self"],
  ] as const) {
    it(`takes the scratch folder where there is no memory for it: ${what}`, () => {
      const scratch = mkdtempSync(join(root, "w"));
      assert.equal(openControl(scratch, place), join(scratch, "control"));
      assert.deepEqual(readdirSync(scratch), ["control"]);
    });
  }
});
