import assert from "node:assert/strict";
import { it } from "node:test";
import { limitOf } from "./limit.ts";

const rows: readonly [string, Parameters<typeof limitOf>[0], number, number][] = [
  ["nothing is said", undefined, 7, 1],
  ["neither is set", { constant: 0n, coefficient: 0 }, 7, 1],
  ["constant", { constant: 4n, coefficient: 0 }, 7, 4],
  ["coefficient: rounded down", { constant: 0n, coefficient: 1.5 }, 3, 4],
  ["coefficient: at least one", { constant: 0n, coefficient: 0.1 }, 3, 1],
  ["coefficient: what is 29 is not 28", { constant: 0n, coefficient: 0.29 }, 100, 29],
  ["coefficient: the API's limit holds", { constant: 0n, coefficient: 10_000 }, 100, 10_000],
];
for (const [name, spec, nodes, expected] of rows) {
  it(`limitOf(): ${name}`, () => assert.equal(limitOf(spec, nodes), expected));
}
