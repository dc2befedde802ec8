import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import fc from "fast-check";
import { LogCapture, lastWordsOf } from "./log-capture.ts";

const { STDOUT, STDERR } = api.LogStream;
const texts = (capture: LogCapture) => [...capture.lines()].map(({ text }) => Buffer.from(text).toString("latin1"));

describe("LogCapture", () => {
  it("keeps lines in the order in which they end, with time, stream and try", () => {
    const log = new LogCapture();
    assert.equal(log.isEmpty, true);
    log.add("stdout", 1, 1_000, Buffer.from("out 1\nout"));
    log.add("stderr", 1, 2_000, Buffer.from("err\r\n\n"));
    log.add("stdout", 1, 3_000, Buffer.from(" 2\nrest"));
    log.add("stdout", 2, 4_000, Buffer.from("again\n"));
    const lines = [...log.lines()].map(({ text, stream, attempt, time }) => [
      Buffer.from(text).toString(),
      stream,
      attempt,
      Number(time?.seconds),
    ]);
    assert.deepEqual(lines, [
      ["out 1", STDOUT, 1, 1],
      ["err", STDERR, 1, 2],
      ["", STDERR, 1, 2],
      ["out 2", STDOUT, 1, 3],
      ["rest", STDOUT, 1, 3],
      ["again", STDOUT, 2, 4],
    ]);
    assert.equal(lastWordsOf(log.lines(), 1), "err");
  });

  it("cuts lines that do not end", () => {
    const log = new LogCapture({ halfBytes: 1_000, lineBytes: 10 });
    log.add("stdout", 1, 0, Buffer.from("x".repeat(25)));
    log.add("stdout", 1, 0, Buffer.from("y\n"));
    assert.deepEqual(texts(log), ["x".repeat(10), "x".repeat(10), "xxxxxy"]);
  });

  it("keeps the begin and the end of a flood, and says what is missing", () => {
    const log = new LogCapture({ halfBytes: 100, lineBytes: 50 });
    for (let i = 0; i < 1_000; i++) log.add("stdout", 1, i, Buffer.from(`line ${i}\n`));
    const lines = texts(log);
    assert.equal(lines[0], "line 0");
    assert.equal(lines.at(-1), "line 999");
    assert.ok(lines.some((line) => /^\[sheaf: \d+ bytes of output are left out here/.test(line)));
    assert.ok(lines.join("\n").length < 400);
  });

  it("shows last words without what could harm a terminal", () => {
    const log = new LogCapture();
    log.add("stderr", 1, 0, Buffer.from("\x1b[31mred\x07 \n   \n"));
    assert.equal(lastWordsOf(log.lines(), 1), "[31mred");
    assert.equal(lastWordsOf(log.lines(), 2), "", "an earlier try said it");
  });

  it("finds the error in what Node and Java print of one that nobody caught", () => {
    const reports = [
      [
        "/a.mjs:3\nthrow new Error('boom');\n^\n\nError: boom\n    at f (/a.mjs:3:7)\n\nNode.js v24.21.0\n",
        "Error: boom",
      ],
      [
        "Error: ENOENT: no such file\n    at open (node:fs) {\n  errno: -2\n}\n\nNode.js v24.21.0\n",
        "Error: ENOENT: no such file",
      ],
      [
        'Exception in thread "main" java.io.IOException: gone\n\tat A.main(A.java:3)\n',
        'Exception in thread "main" java.io.IOException: gone',
      ],
      ["Error: one thing\nand then another\n", "and then another"],
      ["Node.js v24.21.0\n", "Node.js v24.21.0"],
    ] as const;
    for (const [report, expected] of reports) {
      const log = new LogCapture();
      log.add("stderr", 1, 0, Buffer.from(report));
      assert.equal(lastWordsOf(log.lines(), 1), expected);
    }
  });

  it("loses nothing below its limit, however the bytes arrive", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 20 })), {
          maxLength: 50,
        }),
        (pieces) => {
          const log = new LogCapture({ halfBytes: 300, lineBytes: 100 });
          const whole = { stdout: "", stderr: "" };
          for (const [isErr, text] of pieces) {
            const stream = isErr ? "stderr" : "stdout";
            whole[stream] += text;
            log.add(stream, 1, 0, Buffer.from(text));
          }
          if (whole.stdout.length + whole.stderr.length > 600) return;
          for (const [stream, number] of [
            ["stdout", STDOUT],
            ["stderr", STDERR],
          ] as const) {
            const lines = [...log.lines()]
              .filter((line) => line.stream === number)
              .map(({ text }) => Buffer.from(text).toString());
            const ended = whole[stream].endsWith("\n") ? whole[stream].slice(0, -1) : whole[stream];
            assert.deepEqual(lines, whole[stream] === "" ? [] : ended.split("\n"));
          }
        },
      ),
    );
  });

  it("tells who reads along what will be stored, in order, each line once; and says what was left out", () => {
    const piece = fc.tuple(
      fc.boolean(),
      fc.integer({ min: 1, max: 3 }),
      fc.string({ unit: fc.constantFrom("a", "\r", "\n"), maxLength: 30 }),
      fc.nat(40),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.constantFrom(2_000, 100), (pieces, halfBytes) => {
        const log = new LogCapture({ halfBytes, lineBytes: 12 });
        const reader = log.read();
        const live: { text: string; end: bigint }[] = [];
        const seen = ({ text, end }: { text: Uint8Array; end: bigint }) => ({
          text: Buffer.from(text).toString(),
          end,
        });
        const sorted = pieces.toSorted(([, a], [, b]) => a - b);
        for (const [isErr, attempt, text, read] of sorted) {
          log.add(isErr ? "stderr" : "stdout", attempt, 0, Buffer.from(text));
          live.push(...reader.next(read).map(seen));
        }
        const stored = [...log.lines()].map(seen);
        const ends = live.map(({ end }) => end);
        assert.deepEqual(
          ends,
          ends.toSorted((a, b) => Number(a - b)),
          "ends grow",
        );
        const upTo = ends.at(-1) ?? -1n;
        const isWhole = log.bytes <= 2 * halfBytes;
        if (isWhole) assert.deepEqual([...live, ...stored.filter(({ end }) => end > upTo)], stored);
        else assert.match(stored.map(({ text }) => text).join("\n"), /bytes of output are left out here/);
      }),
      { numRuns: 300 },
    );
  });
});
