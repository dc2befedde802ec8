import assert from "node:assert/strict";
import { test } from "node:test";
import { isTransient, outcomeOfError, readError } from "./faults.ts";

test("outcomeOfError(): only what etcd refuses for certain is definite", () => {
  const cases = {
    "5 NOT_FOUND: etcdserver: requested lease not found": "lease-not-found",
    "3 INVALID_ARGUMENT: etcdserver: too many operations in txn request": "invalid",
    "3 INVALID_ARGUMENT: etcdserver: duplicate key given in txn request": "invalid",
    "3 INVALID_ARGUMENT: etcdserver: request is too large": "invalid",
    "8 RESOURCE_EXHAUSTED: grpc: received message larger than max (2400830 vs. 2097152)": "invalid",
    "7 PERMISSION_DENIED: etcdserver: permission denied": "invalid",
    "8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded": "unknown",
    "14 UNAVAILABLE: etcdserver: request timed out": "unknown",
    "4 DEADLINE_EXCEEDED: Deadline exceeded": "unknown",
    "1 CANCELLED: Call cancelled": "unknown",
    "2 UNKNOWN: something": "unknown",
    "13 INTERNAL: Received RST_STREAM with code 2": "unknown",
    "a bug in the client": "unknown",
  };
  for (const [message, kind] of Object.entries(cases))
    assert.equal(outcomeOfError(new Error(message)).kind, kind, message);
});

test("isTransient(): what may pass is asked again, what cannot change is not, nor what no call said", () => {
  for (const message of [
    "14 UNAVAILABLE: x",
    "4 DEADLINE_EXCEEDED: x",
    "1 CANCELLED: x",
    "8 RESOURCE_EXHAUSTED: etcdserver: too many requests",
  ]) {
    assert.ok(isTransient(new Error(message)), message);
  }
  for (const message of [
    "3 INVALID_ARGUMENT: x",
    "11 OUT_OF_RANGE: x",
    "7 PERMISSION_DENIED: x",
    "15 DATA_LOSS: x",
    "TypeError",
  ]) {
    assert.ok(!isTransient(new Error(message)), message);
  }
});

test("readError() names the addresses, what was tried and how long, without gRPC wrapping", () => {
  const wrapped =
    "14 UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.1:2379. Resolution note: ";
  const error = readError(new Error(wrapped), "list /x/", ["10.0.0.1:2379", "10.0.0.2:2379"], 15_040);
  assert.equal(error.code, "UNAVAILABLE");
  assert.equal(
    error.message,
    "cannot reach etcd at 10.0.0.1:2379, 10.0.0.2:2379 (list /x/, tried for 15.0 s): connect ECONNREFUSED 10.0.0.1:2379; check that it runs there and the address",
  );
  assert.equal(
    readError(new Error("8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded"), "x", [], 1).code,
    "RESOURCE_EXHAUSTED",
  );
  assert.equal(readError(new Error("15 DATA_LOSS: etcdserver: corrupt cluster"), "x", [], 1).code, "DATA_LOSS");
});
