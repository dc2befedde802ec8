import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { noteOf, readNote } from "./progress-note.ts";

const folder = mkdtempSync(join(tmpdir(), "sheaf-note-test-"));
after(() => rmSync(folder, { recursive: true }));

describe("noteOf()", () => {
  it("is the last line that says something", () => {
    const rows: readonly [string, string][] = [
      ["", ""],
      ["\n \n", ""],
      ["epoch 1\nepoch 2\n", "epoch 2"],
      ["epoch 1\nepoch 2", "epoch 2"],
      ["10%\r20%\r", "20 %"],
      ["  a  b \n\n", "a  b"],
      ["grüße\n", "grüße"],
    ];
    for (const [text, note] of rows) assert.equal(noteOf(text), note, JSON.stringify(text));
  });

  it("shows fractions and percentages alike, rounded down, and no other number", () => {
    const rows: readonly [string, string][] = [
      ["0", "0 %"],
      ["0.4", "40 %"],
      [".25", "25 %"],
      ["0.29", "29 %"],
      ["0.999", "99 %"],
      ["1", "100 %"],
      ["1.0", "100 %"],
      ["40%", "40 %"],
      ["40.9 %", "40 %"],
      ["100%", "100 %"],
      ["1.5", "1.5"],
      ["400%", "400%"],
      ["17", "17"],
      ["-0.5", "-0.5"],
      ["1e9", "1e9"],
      ["NaN", "NaN"],
    ];
    for (const [text, note] of rows) assert.equal(noteOf(`${text}\n`), note);
  });

  it("escapes what could act on a terminal, and is at most 200 bytes, with whole characters", () => {
    assert.equal(noteOf("\u001b[2Jgone\u0007\u202e"), "\\u001b[2Jgone\\u0007\\u202e");
    for (const text of ["x".repeat(900), "ü".repeat(450), "\u001b".repeat(300)]) {
      const note = noteOf(text);
      assert.ok(Buffer.byteLength(note) <= 200 && note.endsWith("...") && !note.includes("\ufffd"));
    }
  });
});

describe("readNote()", () => {
  it("reads the end of a file of any size", () => {
    const file = join(folder, "long");
    writeFileSync(file, `${"line\n".repeat(50_000)}0.5\n`);
    assert.equal(readNote(file), "50 %");
    truncateSync(file, 2 ** 40);
    assert.equal(readNote(file).slice(0, 6), "\\u0000", "a hole is read as what it is, and not whole");
  });

  it("says nothing of what is not there, a link, a FIFO or a folder, and does not wait", () => {
    const [link, fifo] = [join(folder, "link"), join(folder, "fifo")];
    symlinkSync("/etc/hostname", link);
    execFileSync("mkfifo", [fifo]);
    for (const file of [join(folder, "none"), link, fifo, folder]) assert.equal(readNote(file), "");
  });

  it("takes bytes that are no text", () => {
    const file = join(folder, "bytes");
    writeFileSync(file, Buffer.from([0x61, 0xff, 0x0a]));
    assert.equal(readNote(file), "a\ufffd");
  });
});
