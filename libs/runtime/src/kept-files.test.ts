import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { systemClock } from "./clock.ts";
import { KeptFiles } from "./kept-files.ts";
import { testLogger } from "./log.ts";

const folder = mkdtempSync(join(tmpdir(), "sheaf-kept-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function open(name: string) {
  const parse = ([content]: readonly (Buffer | undefined)[]) => {
    if (content?.toString() === "bad") throw new Error("it is bad");
    return content?.toString() ?? "none";
  };
  return KeptFiles.open({ what: "a file", paths: [join(folder, name)], parse, log: testLogger(), clock: systemClock });
}

describe("files that are kept", () => {
  it("a change is seen within moments, also through links that are swapped, as Kubernetes does", async () => {
    for (const version of ["v1", "v2"]) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, "file"), version);
    }
    symlinkSync("v1", join(folder, "data"));
    symlinkSync(join("data", "file"), join(folder, "linked"));
    const kept = await open("linked");
    await kept.start();
    const changed = new Promise((resolve) => kept.onChange(resolve));
    symlinkSync("v2", join(folder, "new"));
    renameSync(join(folder, "new"), join(folder, "data"));
    assert.equal(await changed, "v2");
    assert.equal(kept.value, "v2");
    await kept.stop();
  });

  it("what cannot be used leaves the value; what can be used again replaces it", async () => {
    writeFileSync(join(folder, "a"), "one");
    const kept = await open("a");
    let calls = 0;
    kept.onChange(() => calls++);
    const steps = [
      ["one", 0],
      ["bad", 0],
      ["two", 1],
      ["two", 1],
    ] as const;
    for (const [text, times] of steps) {
      writeFileSync(join(folder, "a"), text);
      await kept.look();
      assert.equal(kept.value, text === "bad" ? "one" : text);
      assert.equal(calls, times);
    }
    rmSync(join(folder, "a"));
    await kept.look();
    assert.equal(kept.value, "none");
  });

  it("a folder, and what is too large, is refused at the start", async () => {
    await assert.rejects(open("."), { reason: "FILE_UNREADABLE" });
    writeFileSync(join(folder, "large"), Buffer.alloc(1024 * 1024 + 1));
    await assert.rejects(open("large"), { reason: "FILE_TOO_LARGE" });
  });
});
