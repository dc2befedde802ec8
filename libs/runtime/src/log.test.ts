import assert from "node:assert/strict";
import { test } from "node:test";
import { type invalidArgument, unavailable } from "./errors.ts";
import { createLogger, type Logger, testLogger } from "./log.ts";
import { Secret } from "./secret.ts";

function capture(env: Record<string, string> = {}, isTerminal = false): { log: Logger; lines: () => string[] } {
  let text = "";
  const destination = {
    write: (line: string) => {
      text += line;
    },
  };
  const log = createLogger({ component: "worker", env, destination, isTerminal });
  return { log, lines: () => text.split("\n").filter((line) => line !== "") };
}

test("createLogger() writes one JSON line each, with component, level, time and child fields", () => {
  const { log, lines } = capture();
  log.child({ job: "j1" }).info({ datum: 7 }, "done");
  log.debug("not shown");
  const [line, ...more] = lines();
  const { time, ...rest } = JSON.parse(line ?? "") as Record<string, unknown>;
  assert.deepEqual(rest, { level: "info", component: "worker", job: "j1", datum: 7, msg: "done" });
  assert.ok(!Number.isNaN(Date.parse(String(time))));
  assert.deepEqual(more, []);
});

test("createLogger() writes no secrets", () => {
  const { log, lines } = capture();
  log.info({ token: "s3cret", store: { secretAccessKey: "s3cret" }, key: new Secret("s3cret") }, "connecting");
  assert.doesNotMatch(lines().join(), /s3cret/);
  assert.match(lines().join(), /redacted/);
});

test("an expected error is logged without its stack, a bug with it", () => {
  const { log, lines } = capture();
  log.warn({ err: unavailable("ETCD_UNREACHABLE", "cannot reach etcd", { cause: new Error("refused") }) }, "x");
  log.error({ err: new TypeError("bug") }, "x");
  const [expected, bug] = lines().map((line) => (JSON.parse(line) as { err: Record<string, unknown> }).err);
  assert.equal(expected?.reason, "ETCD_UNREACHABLE");
  assert.equal(expected?.stack, undefined);
  assert.match(String(bug?.stack), /log\.test\.ts/);
});

test("SHEAF_LOG_FORMAT=text, or a terminal, gives readable lines", () => {
  for (const { log, lines } of [capture({ SHEAF_LOG_FORMAT: "text" }), capture({}, true)]) {
    log.warn({ address: "127.0.0.1:7070", note: "two words" }, "lost the owner");
    assert.match(
      lines()[0] ?? "",
      /^\d\d:\d\d:\d\d\.\d{3} warn {2}worker: lost the owner address=127\.0\.0\.1:7070 note="two words"$/,
    );
  }
});

test("a wrong level or format is refused, with the nearest one", () => {
  assert.throws(
    () => capture({ SHEAF_LOG_LEVEL: "debgu" }),
    (error: ReturnType<typeof invalidArgument>) => {
      return error.code === "INVALID_ARGUMENT" && /did you mean "debug"/.test(error.message);
    },
  );
  assert.throws(() => capture({ SHEAF_LOG_FORMAT: "xml" }), /use one of json, text/);
});

test("testLogger() takes everything and says nothing", () => {
  const log = testLogger();
  log.child({ a: 1 }).fatal({ err: new Error("x") }, "x");
  assert.equal(log.isLevelEnabled("fatal"), false);
});
