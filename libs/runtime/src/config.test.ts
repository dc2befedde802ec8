import assert from "node:assert/strict";
import { test } from "node:test";
import { defineSettings, readSettings, wantsHelp } from "./config.ts";
import { SheafError } from "./errors.ts";
import { helpText } from "./help.ts";
import type { Secret } from "./secret.ts";

const settings = defineSettings({
  port: { flag: "port", env: "SHEAF_PORT", type: "port", default: 7070, help: "Where to listen." },
  etcd: { flag: "etcd", env: "SHEAF_ETCD", type: "list", help: "Addresses of etcd." },
  store: {
    flag: "store",
    env: "SHEAF_STORE",
    type: "string",
    required: true,
    help: "Where bytes go.",
  },
  beat: { flag: "beat", type: "duration", default: "1s", help: "How often to beat." },
  chunk: { flag: "chunk", type: "bytes", default: "64MiB", help: "How much at once." },
  slots: { flag: "slots", type: "int", min: 1, max: 64, help: "Commands at a time." },
  kind: {
    flag: "kind",
    type: "string",
    oneOf: ["local", "kubernetes"],
    default: "local",
    help: "Where workers run.",
  },
  fsync: {
    flag: "fsync",
    env: "SHEAF_FSYNC",
    type: "flag",
    default: true,
    help: "Whether to sync.",
  },
  verbose: { flag: "verbose", type: "flag", help: "Says more." },
  owner: { flag: "owner", type: "address", help: "The owner." },
  token: { flag: "token", env: "SHEAF_TOKEN", type: "secret", help: "The secret." },
});

const STORE = ["--store", "file:///data"];
const read = (argv: readonly string[], env = {}) => readSettings(settings, argv, env);

function failure(argv: readonly string[], env = {}): SheafError {
  try {
    read(argv, env);
  } catch (error) {
    assert.ok(error instanceof SheafError);
    assert.equal(error.code, "INVALID_ARGUMENT");
    return error;
  }
  throw new Error("it was accepted");
}

test("readSettings(): a flag wins over the environment, that over the default; empty counts as not set", () => {
  assert.equal(read(STORE).port, 7070);
  assert.equal(read(STORE, { SHEAF_PORT: "1" }).port, 1);
  assert.equal(read([...STORE, "--port=2"], { SHEAF_PORT: "1" }).port, 2);
  assert.equal(read(STORE, { SHEAF_PORT: "" }).port, 7070);
});

test("readSettings(): every type", () => {
  const values = read([
    ...STORE,
    ...["--etcd", "a:1,b:2", "--etcd", "c:3", "--beat", "1m30s", "--chunk", "1.5KiB", "--slots", "3"],
    ...["--kind", "kubernetes", "--no-fsync", "--verbose", "--owner", "[::1]:80"],
  ]);
  assert.equal(values.store, "file:///data");
  assert.deepEqual(values.etcd, ["a:1", "b:2", "c:3"]);
  assert.equal(values.beat, 90_000);
  assert.equal(values.chunk, 1_536);
  assert.equal(values.slots, 3);
  assert.equal(values.kind satisfies "local" | "kubernetes", "kubernetes");
  assert.equal(values.fsync, false);
  assert.equal(values.verbose, true);
  assert.deepEqual(values.owner, { host: "::1", port: 80 });
});

test("readSettings(): what is not given is undefined, false or empty, by its type", () => {
  const values = read(STORE);
  assert.deepEqual([values.slots, values.owner, values.token], [undefined, undefined, undefined]);
  assert.equal(values.verbose, false);
  assert.equal(values.fsync, true);
  assert.deepEqual(values.etcd, []);
});

test("readSettings(): an unknown flag is named, with the nearest known one", () => {
  const error = failure([...STORE, "--prot", "80"]);
  assert.match(error.message, /--prot: is not a known flag \(did you mean "--port"\?\)/);
  assert.equal(error.details.length, 1);
  assert.doesNotMatch(failure([...STORE, "--zzzzzzzz"]).message, /did you mean/);
});

test("readSettings(): all that is wrong is told at once, with where it came from", () => {
  const error = failure(["--slots", "65", "stray", "--kind=lokal", "--beat"], {
    SHEAF_PORT: "70000",
    SHEAF_FSYNC: "maybe",
  });
  assert.deepEqual(
    error.details.map(({ field }) => field),
    ["stray", "--beat", "SHEAF_PORT", "--store", "--slots", "--kind", "SHEAF_FSYNC"],
  );
  assert.match(error.message, /--slots: "65" is out of range: use 1 to 64/);
  assert.match(error.message, /--kind: "lokal" is not known \(did you mean "local"\?\)/);
  assert.match(error.message, /--store: is required: give the flag or set SHEAF_STORE/);
});

test("readSettings(): a secret is never shown, not even when it is wrong", () => {
  const token: Secret<string> | undefined = read(STORE, { SHEAF_TOKEN: "hunter2" }).token;
  assert.equal(token?.reveal(), "hunter2");
  assert.doesNotMatch(JSON.stringify(read(STORE, { SHEAF_TOKEN: "hunter2" })), /hunter2/);
});

test("a default that does not parse is found by the first read", () => {
  const broken = defineSettings({
    beat: { flag: "beat", type: "duration", default: "soon", help: "" },
  });
  assert.throws(() => readSettings(broken, [], {}), /default of --beat: "soon" is not a duration/);
});

test('wantsHelp() looks up to a "--"', () => {
  assert.ok(wantsHelp(["--port", "1", "-h"]));
  assert.ok(!wantsHelp(["--", "--help"]));
});

test("helpText() shows each flag with its variable, default and limits, and an example", () => {
  const text = helpText({ name: "sheaf-master", summary: "Runs it.", example: "--port 80" }, settings);
  assert.match(text, /--port PORT\n {6}Where to listen\. \(env SHEAF_PORT; default 7070\)/);
  assert.match(text, /--slots N\n {6}Commands at a time\. \(from 1 to 64\)/);
  assert.match(text, /--store TEXT\n {6}Where bytes go\. \(env SHEAF_STORE; required\)/);
  assert.match(text, /Example:\n {2}sheaf-master --port 80\n/);
  assert.ok(text.split("\n").every((line) => line.length <= 100));
});

test("a list of addresses is refused when one of them is none, and names it", () => {
  const definitions = defineSettings({
    masters: { flag: "masters", env: "SHEAF_MASTERS", type: "list", of: "address", help: "Addresses of masters." },
  });
  const given = ["--masters", "127.0.0.1:7451, [::1]:1"];
  assert.deepEqual(readSettings(definitions, given, {}).masters, ["127.0.0.1:7451", "[::1]:1"]);
  assert.throws(() => readSettings(definitions, ["--masters", "a:1,nonsense"], {}), {
    reason: "SETTING_INVALID",
    message: /^--masters: "a:1,nonsense" is no list of addresses: "nonsense" is not an address: use host:port/,
  });
});
