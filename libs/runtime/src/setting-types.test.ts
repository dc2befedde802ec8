import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editDistance, nearest } from "./nearest.ts";
import {
  formatAddress,
  isLoopback,
  type Parsed,
  parseAddress,
  parseBoolean,
  parseBytes,
  parseDuration,
  parseInteger,
  parseName,
  parsePort,
} from "./setting-types.ts";

const value = <T>(parsed: Parsed<T>): T | undefined => ("value" in parsed ? parsed.value : undefined);

test("parseName()", () => {
  for (const text of ["a", "0-9", "word-counts", "x".repeat(63)]) assert.equal(value(parseName(text)), text);
  for (const text of ["", "A", "a/b", "a_b", "-a", "a-", "x".repeat(64)])
    assert.equal(value(parseName(text)), undefined, text);
});

test("parseDuration()", () => {
  const good = {
    "0": 0,
    "500ms": 500,
    "10s": 10_000,
    "1.5m": 90_000,
    "2h": 7_200_000,
    "1d": 86_400_000,
    "1m30s": 90_000,
  };
  for (const [text, ms] of Object.entries(good)) assert.equal(value(parseDuration(text)), ms, text);
  for (const text of ["", "10", "-1s", "s", "1x", "1 s", "1s ", "1e3s"])
    assert.equal(value(parseDuration(text)), undefined, text);
});

test("parseBytes()", () => {
  const good = {
    "0": 0,
    "1048576": 1_048_576,
    "64MiB": 67_108_864,
    "1.5 KiB": 1_536,
    "10MB": 10_000_000,
    "1kB": 1_000,
    "10Gi": 10_737_418_240,
    "500M": 500_000_000,
  };
  for (const [text, bytes] of Object.entries(good)) assert.equal(value(parseBytes(text)), bytes, text);
  for (const text of ["", "MiB", "-1", "1mb", "1.2.3", "99999999TiB"])
    assert.equal(value(parseBytes(text)), undefined, text);
});

test("parseInteger(), parsePort(), parseBoolean()", () => {
  assert.equal(value(parseInteger("-12")), -12);
  for (const text of ["", "1.5", "0x10", "9007199254740993", " 1"])
    assert.equal(value(parseInteger(text)), undefined, text);
  assert.deepEqual(parseInteger("0", 1), { wrong: "is out of range: use 1 or more" });
  assert.equal(value(parsePort("65535")), 65_535);
  assert.equal(value(parsePort("65536")), undefined);
  assert.equal(value(parseBoolean("Yes")), true);
  assert.equal(value(parseBoolean("ja")), undefined);
});

test("parseAddress() and formatAddress() are inverse", () => {
  const hosts = fc.constantFrom("localhost", "10.0.0.1", "::1", "fe80::1", "etcd-0.etcd.svc");
  fc.assert(
    fc.property(hosts, fc.integer({ min: 0, max: 65_535 }), (host, port) => {
      assert.deepEqual(value(parseAddress(formatAddress({ host, port }))), { host, port });
    }),
  );
  for (const text of ["", "host", ":80", "host:", "host:x", "::1:80", "a b:1", "http://h:1"]) {
    assert.equal(value(parseAddress(text)), undefined, text);
  }
});

test("isLoopback() knows the ways to write it, and nothing else", () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.9.10", "::1", "[::1]", "::ffff:127.0.0.1", "LOCALHOST"]) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of [
    "",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "127.0.0.1.evil.com",
    "localhost.evil.com",
    "1270.0.0.1",
    "127.0.0.999",
  ]) {
    assert.ok(!isLoopback(host), host);
  }
});

test("nearest() finds what was meant, and says nothing when nothing is near", () => {
  const names = ["glob", "pipeline", "parallelism_spec", "transform"];
  assert.equal(nearest("gob", names), "glob");
  assert.equal(nearest("Pipline", names), "pipeline");
  assert.equal(nearest("parallelism", names), "parallelism_spec");
  assert.equal(nearest("banana", names), undefined);
});

test("editDistance() is a distance", () => {
  const word = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(word, word, word, (a, b, c) => {
      assert.equal(editDistance(a, b), editDistance(b, a));
      assert.equal(editDistance(a, b) === 0, a === b);
      assert.ok(editDistance(a, c) <= editDistance(a, b) + editDistance(b, c));
      assert.ok(editDistance(a, b) <= Math.max(a.length, b.length));
    }),
  );
});
