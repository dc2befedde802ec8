import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { removeFolder, removeFolderLater } from "./remove.ts";

/** Root may enter everything: as it, these tests would see nothing. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const root = mkdtempSync(join(tmpdir(), "sheaf-remove-test-"));
after(() => rmSync(root, { recursive: true }));

/** What a hostile command leaves: nobody may enter it, it is deeper than a path may say, and a link leads out of it. */
function mess(name: string): string {
  const folder = join(root, name);
  mkdirSync(join(folder, "closed"), { recursive: true });
  symlinkSync(join(root, "outside"), join(folder, "link"));
  const part = Array.from({ length: 100 }, () => "deeper-and").join("/");
  const deep = `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do mkdir -p ${part}; cd -P ${part} || exit; done; echo >f`;
  execFileSync("sh", ["-c", deep], { cwd: join(folder, "closed") });
  chmodSync(join(folder, "closed"), 0);
  if (isRoot) execFileSync("chown", ["-R", `${NOBODY}`, root]);
  return folder;
}

describe("removing a folder", () => {
  for (const [name, remove] of [
    ["at once", removeFolder],
    ["later", removeFolderLater],
  ] as const) {
    it(`takes all that a command left, ${name}`, async () => {
      mkdirSync(join(root, "outside"), { recursive: true });
      writeFileSync(join(root, "outside/f"), "");
      const folder = mess(name);
      if (isRoot) process.seteuid?.(NOBODY);
      try {
        await remove(folder);
      } finally {
        if (isRoot) process.seteuid?.(0);
      }
      assert.equal(existsSync(folder), false);
      assert.equal(existsSync(join(root, "outside/f")), true);
      await remove(folder); // Twice is harmless.
    });
  }
});
