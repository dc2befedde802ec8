import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addValues, formatNumber, parseNumber, type Value } from "./number.ts";

const parse = (text: string): Value => {
  const value = parseNumber(text);
  assert.notEqual(value, null, text);
  return value as Value;
};

test("every number has one spelling", () => {
  const cases = {
    "0": "0",
    "-0": "0",
    "+0": "0",
    "000": "0",
    "0.0": "0",
    "-0.000": "0",
    "007": "7",
    "+7": "7",
    "-7": "-7",
    "1.50": "1.5",
    ".5": "0.5",
    "-.5": "-0.5",
    "5.": "5",
    "1.000": "1",
    "-1.05": "-1.05",
    "9007199254740991": "9007199254740991",
    "9007199254740993": "9007199254740993",
    "-9007199254740993.50": "-9007199254740993.5",
    "0.1": "0.1",
    "123456789012345678901234567890": "123456789012345678901234567890",
    "0.00000000000000000001": "0.00000000000000000001",
  };
  for (const [text, canonical] of Object.entries(cases)) assert.equal(formatNumber(parse(text)), canonical, text);
});

test("what is no number", () => {
  const bad = [
    "",
    "-",
    "+",
    ".",
    "-.",
    "1e5",
    "0x1",
    "1_000",
    "1,5",
    " 1",
    "1 ",
    "NaN",
    "Infinity",
    "--1",
    "1.2.3",
    "٣",
  ];
  for (const text of [...bad, "1".repeat(1_001)]) assert.equal(parseNumber(text), null, text);
  assert.notEqual(parseNumber("1".repeat(1_000)), null);
});

test("sums are exact", () => {
  const sum = (...texts: string[]): string => formatNumber(texts.map(parse).reduce(addValues));
  assert.equal(sum("0.1", "0.2"), "0.3");
  assert.equal(sum("9007199254740991", "1"), "9007199254740992");
  assert.equal(sum("9007199254740991", "1", "1", "-3"), "9007199254740990");
  assert.equal(sum("-9007199254740991", "-2"), "-9007199254740993");
  assert.equal(sum("1.25", "-0.25"), "1");
  assert.equal(sum("100000000000000000000", "-100000000000000000000"), "0");
});

test("the order of adding never shows", () => {
  const number = fc.oneof(
    fc.integer().map(String),
    fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }).map(String),
    fc.tuple(fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }), fc.nat(10 ** 9)).map(([a, b]) => `${a}.${b}`),
  );
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: 8 }), fc.nat(), (texts, seed) => {
      const values = texts.map(parse);
      const turned = values.map((_, i) => values[(i + seed) % values.length] as Value);
      const halves = [values.slice(0, values.length >> 1), values.slice(values.length >> 1)];
      const byHalves = halves.map((half) => half.reduce(addValues, 0)).reduce(addValues);
      const all = values.reduce(addValues, 0);
      assert.deepEqual(turned.reduce(addValues, 0), all);
      assert.deepEqual(byHalves, all);
      // And the text stands for the value.
      assert.deepEqual(parse(formatNumber(all)), all);
    }),
    { numRuns: 1_000 },
  );
});
