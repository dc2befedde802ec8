import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hex, sha256 } from "../bytes.ts";
import { HashThreads, type LentBytes } from "./hash-threads.ts";

const MIB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), "sheaf-hash-threads-"));
const content = randomBytes(5 * MIB + 123);
const path = join(folder, "file");
writeFileSync(path, content);
const fd = openSync(path, "r");
after(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

test("what is read is what is there, with its hash; fewer bytes at the end of the file", async () => {
  const threads = new HashThreads();
  const ranges = Array.from({ length: 60 }, (_, i): [number, number] => [
    (i * 97_003) % content.length,
    (i * 7 * MIB) % (6 * MIB),
  ]);
  ranges.push([0, content.length], [content.length - 1, 9], [content.length, 9], [content.length + 7, 9], [5, 0]);
  await Promise.all(
    ranges.map(async ([offset, length]) => {
      const { bytes, sha256: hash, giveBack } = await threads.read(fd, offset, length);
      const expected = content.subarray(offset, offset + length);
      assert.ok(expected.equals(bytes), `${length} bytes at ${offset}`);
      assert.equal(hex(hash), hex(sha256(expected)));
      giveBack();
    }),
  );
});

test("no more memory is lent than there is, and who asked first gets it first", async () => {
  const threads = new HashThreads();
  const lent: LentBytes[] = [];
  const order: number[] = [];
  const reads = Array.from({ length: 9 }, async (_, i) => {
    lent.push(await threads.read(fd, i, 1));
    order.push(i);
  });
  await Promise.all(reads.slice(0, 4));
  // All that could be read by now has been told: another's reads, of far more bytes, come later.
  const another = new HashThreads();
  for (let i = 0; i < 4; i++) (await another.read(fd, 0, content.length)).giveBack();
  assert.equal(lent.length, 4);
  for (let given = 0; given < 5; given++) {
    lent[given]?.giveBack();
    await reads[4 + given];
    assert.equal(lent.length, 5 + given);
  }
  assert.deepEqual(order.slice(4), [4, 5, 6, 7, 8]);
});

test("a file that cannot be read fails the read, and costs no memory", async () => {
  const threads = new HashThreads();
  const ofFolder = openSync(folder, "r");
  for (let i = 0; i < 10; i++) await assert.rejects(() => threads.read(ofFolder, 0, 10), { code: "EISDIR" });
  closeSync(ofFolder);
  const { bytes } = await threads.read(fd, 0, 10);
  assert.ok(content.subarray(0, 10).equals(bytes));
});

test("idle threads keep no process, busy ones do", () => {
  const program = join(folder, "program.mjs");
  writeFileSync(
    program,
    `import { openSync } from "node:fs";
    import { HashThreads } from ${JSON.stringify(new URL("./hash-threads.ts", import.meta.url).href)};
    new HashThreads().read(openSync(${JSON.stringify(path)}), 0, 5).then(({ bytes }) => console.log(bytes.length));`,
  );
  const { stdout, stderr, status } = spawnSync(process.execPath, [program], { encoding: "utf8", timeout: 60_000 });
  assert.deepEqual([stdout, status], ["5\n", 0], stderr);
});
