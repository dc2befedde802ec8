/** What is printed: numbers, escapes, the live line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { manualClock } from "@sheaf/runtime";
import { escapeControls, escapeFor } from "./escape.ts";
import { bytes, count, counted, duration } from "./numbers.ts";
import { Progress } from "./progress.ts";

describe("numbers", () => {
  it("are as people read them", () => {
    assert.deepEqual([0, 999, 1_000, 4_600n, 1_234_567n].map(count), ["0", "999", "1,000", "4,600", "1,234,567"]);
    assert.deepEqual(
      [counted(1, "datum"), counted(0n, "datum"), counted(2, "pipe", "pipes")],
      ["1 datum", "0 datums", "2 pipes"],
    );
    const sizes = [0, 999, 1_000, 1_500, 99_949, 99_950, 999_499, 999_500, 12_345_678n, 10n ** 18n];
    assert.deepEqual(sizes.map(bytes), [
      "0 B",
      "999 B",
      "1 kB",
      "1.5 kB",
      "99.9 kB",
      "100 kB",
      "999 kB",
      "1 MB",
      "12.3 MB",
      "1 EB",
    ]);
    const times = [0, 34.4, 999, 1_000, 1_340, 59_949, 60_000, 303_000, 3_599_400, 7_500_000];
    const shown = [
      "0 ms",
      "34 ms",
      "999 ms",
      "1.0 s",
      "1.3 s",
      "59.9 s",
      "1 min 0 s",
      "5 min 3 s",
      "59 min 59 s",
      "2 h 5 min",
    ];
    assert.deepEqual(times.map(duration), shown);
  });
});

describe("escapes", () => {
  it("show what a terminal would act upon, and leave the rest", () => {
    assert.equal(escapeControls("\u001b[2J\u0007bell\r\n\ttab"), "\\e[2J\\x07bell\\r\\n\\ttab");
    assert.equal(escapeControls("a\tb\n", "\t"), "a\tb\\n");
    assert.equal(escapeControls("\u009b31m \u202egnp.exe \u{e0041}"), "\\x9b31m \\u{202e}gnp.exe \\u{e0041}");
    assert.equal(escapeControls("Ёлка 日本 é 😀 \ufffd"), "Ёлка 日本 é 😀 \ufffd");
  });

  it("are for terminals only", () => {
    assert.equal(escapeFor({ isTTY: false })("\u001b"), "\u001b");
    assert.equal(escapeFor({ isTTY: true })("\u001b"), "\\e");
  });
});

describe("Progress", () => {
  function setUp(isTTY: boolean) {
    const clock = manualClock();
    const written: string[] = [];
    const sink = {
      isTTY,
      columns: () => 30,
      write: (text: string | Uint8Array) => void written.push(String(text)),
      flush: async () => {},
    };
    return { clock, written, progress: new Progress(sink, clock) };
  }

  it("is at most one plain line a second, and none without a change", async () => {
    const { clock, written, progress } = setUp(false);
    for (let i = 0; i < 30; i++) {
      progress.say(`step ${i}`);
      await clock.advance(100);
    }
    await clock.advance(1_000);
    assert.deepEqual(written, ["step 0\n", "step 9\n", "step 19\n", "step 29\n"]);
    for (let i = 0; i < 5; i++) {
      progress.say("the same");
      await clock.advance(1_000);
    }
    assert.deepEqual(written.slice(4), ["the same\n"]);
    progress.end();
    assert.equal(clock.pending(), 0);
  });

  it("is one line on a terminal, written over, cut to its width, escaped, and gone at the end", async () => {
    const { clock, written, progress } = setUp(true);
    progress.say("one");
    await clock.advance(100);
    progress.say(`\u001b${"x".repeat(100)}`);
    await clock.advance(100);
    progress.note("a note");
    progress.end();
    progress.end();
    assert.equal(written[0], "\r\u001b[2Kone");
    assert.equal(written[1], `\r\u001b[2K\\e${"x".repeat(26)}…`);
    assert.deepEqual(written.slice(2, 4), ["\r\u001b[2K", "a note\n"]);
    assert.equal(written.at(-1), "\r\u001b[2K");
    assert.equal(written.length, 6);
    assert.equal(clock.pending(), 0);
  });

  it("shows the newest text when the last one has stood long enough", async () => {
    const { clock, written, progress } = setUp(true);
    for (const text of ["a", "b", "c"]) progress.say(text);
    assert.equal(written.length, 1);
    await clock.advance(100);
    assert.equal(written.at(-1), "\r\u001b[2Kc");
    progress.say("d");
    progress.end();
    await clock.advance(1_000);
    assert.ok(!written.some((text) => text.endsWith("d")));
  });
});
