import assert from "node:assert/strict";
import { test } from "node:test";
import { defineSettings } from "./config.ts";
import { SheafError, unavailable } from "./errors.ts";
import type { Component } from "./lifecycle.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { type ProcessHost, runService, type ServiceContext } from "./service.ts";

const settings = defineSettings({
  port: { flag: "port", type: "port", default: 7070, help: "Where to listen." },
});
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A process that only notes what happens to it. */
class FakeProcess implements ProcessHost {
  readonly argv: readonly string[];
  readonly env: Record<string, string> = { SHEAF_LOG_LEVEL: "silent" };
  readonly clock: ManualClock = manualClock();
  readonly exits: number[] = [];
  out = "";
  err = "";
  parent = 100;
  readonly #listeners = new Map<string, (value: unknown) => void>();

  constructor(...argv: string[]) {
    this.argv = argv;
  }

  readonly ppid = () => this.parent;
  readonly stdout = (text: string) => {
    this.out += text;
  };
  readonly stderr = (text: string) => {
    this.err += text;
  };
  readonly on = (event: string, fn: (value: unknown) => void) => {
    this.#listeners.set(event, fn);
  };
  readonly exit = (code: number) => {
    this.exits.push(code);
  };
  emit(event: string, value?: unknown): void {
    this.#listeners.get(event)?.(value);
  }
}

interface Behaviour {
  readonly start?: () => Promise<void>;
  readonly drain?: (deadline: number) => Promise<void>;
  readonly stop?: () => Promise<void>;
}

function run(host: FakeProcess, behaviour: Behaviour = {}) {
  const calls: string[] = [];
  let context: ServiceContext | undefined;
  const component: Component = {
    start: async () => {
      calls.push("start");
      await behaviour.start?.();
    },
    drain: async (deadline) => {
      calls.push("drain");
      await behaviour.drain?.(deadline);
    },
    stop: async () => {
      calls.push("stop");
      await behaviour.stop?.();
    },
  };
  const spec = {
    name: "master",
    summary: "Runs jobs.",
    example: "--port 80",
    settings,
    build: (_: unknown, given: ServiceContext) => {
      context = given;
      return [component];
    },
  };
  return { calls, done: runService(spec, host), context: () => context };
}

test("--help goes to standard output and starts nothing", async () => {
  const host = new FakeProcess("--help");
  const { calls, done } = run(host);
  await done;
  assert.match(host.out, /Usage: sheaf-master \[flags\]/);
  assert.match(host.out, /--drain-timeout DURATION/);
  assert.deepEqual([calls, host.exits], [[], [0]]);
});

test("wrong usage is one line and exit code 2", async () => {
  const host = new FakeProcess("--prot", "80");
  await run(host).done;
  assert.match(host.err, /^sheaf-master: --prot: is not a known flag \(did you mean "--port"\?\); see --help\n$/);
  assert.deepEqual(host.exits, [2]);
});

test("an error in start is one line without a stack; 3 when somebody cannot be reached, 1 else", async () => {
  const failures: [unknown, number][] = [
    [unavailable("ETCD_UNREACHABLE", "cannot reach etcd"), 3],
    [new SheafError("FAILED_PRECONDITION", "PORT_IN_USE", "port 80 is in use"), 1],
    [new TypeError("a bug"), 1],
  ];
  for (const [error, code] of failures) {
    const host = new FakeProcess();
    await run(host, { start: () => Promise.reject(error) }).done;
    assert.match(host.err, /^sheaf-master: [^\n]+\n$/);
    assert.deepEqual(host.exits, [code]);
  }
});

test("with SHEAF_LOG_LEVEL=debug the stack is shown as well", async () => {
  const host = new FakeProcess();
  host.env.SHEAF_LOG_LEVEL = "debug";
  host.env.SHEAF_LOG_FORMAT = "text";
  await run(host, { start: () => Promise.reject(new TypeError("a bug")) }).done;
  assert.match(host.err, /service\.test\.ts/);
});

test("SIGTERM drains, then stops, exit code 0", async () => {
  const host = new FakeProcess("--drain-timeout", "10s");
  let deadline = 0;
  const { calls, done } = run(host, {
    drain: async (at) => {
      deadline = at;
    },
  });
  await turn();
  host.emit("SIGTERM");
  await done;
  assert.deepEqual(calls, ["start", "drain", "stop"]);
  assert.equal(deadline, 10_000);
  assert.deepEqual(host.exits, [0]);
  assert.equal(host.clock.pending(), 0);
});

test("SIGTERM in the middle of a start waits for it, and stops", async () => {
  const host = new FakeProcess();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { calls, done } = run(host, { start: () => gate });
  await turn();
  host.emit("SIGTERM");
  await turn();
  open();
  await done;
  assert.deepEqual(calls, ["start", "stop"]);
  assert.deepEqual(host.exits, [0]);
});

test("SIGTERM while its parts are made, which may wait for others, ends it at once", async () => {
  const endless = () => new Promise<never>(() => {});
  const failing = () => Promise.reject(unavailable("ETCD_UNREACHABLE", "no etcd"));
  for (const building of [endless, failing]) {
    const host = new FakeProcess();
    const spec = { name: "master", summary: "Runs jobs.", example: "--port 80", settings };
    const done = runService(
      {
        ...spec,
        build: () => turn().then(turn).then(building),
      },
      host,
    );
    host.emit("SIGTERM");
    await done;
    assert.deepEqual([host.exits, host.err, host.clock.pending()], [[0], "", 0]);
  }
});

test("a drain that takes too long is cut off by its deadline, and the parts are stopped", async () => {
  const host = new FakeProcess("--drain-timeout", "10s");
  const { calls, done } = run(host, { drain: () => new Promise(() => {}) });
  await turn();
  host.emit("SIGINT");
  await host.clock.advance(9_999);
  assert.deepEqual(calls, ["start", "drain"]);
  await host.clock.advance(1);
  await done;
  assert.deepEqual(calls, ["start", "drain", "stop"]);
  assert.deepEqual(host.exits, [0]);
});

test("a stop that hangs ends the process at the deadline; a second signal at once", async () => {
  const hanging = { stop: () => new Promise<void>(() => {}) };
  const first = new FakeProcess("--drain-timeout", "10s");
  run(first, hanging);
  await turn();
  first.emit("SIGTERM");
  await first.clock.advance(15_000);
  assert.deepEqual(first.exits, [1]);

  const second = new FakeProcess();
  run(second, hanging);
  await turn();
  second.emit("SIGINT");
  second.emit("SIGTERM");
  await turn();
  assert.deepEqual(second.exits, [], "Ctrl-C that comes twice is one");
  await second.clock.advance(1_000);
  second.emit("SIGINT");
  assert.deepEqual(second.exits, [130]);
});

test("when the parent is gone it stops within a second, without a drain", async () => {
  const host = new FakeProcess("--parent-pid", "100");
  const { calls, done } = run(host);
  await turn();
  await host.clock.advance(5_000);
  assert.deepEqual(calls, ["start"]);
  host.parent = 1;
  await host.clock.advance(1_000);
  await done;
  assert.deepEqual(calls, ["start", "stop"]);
  assert.deepEqual(host.exits, [1]);
  assert.equal(host.clock.pending(), 0);
});

test("a part that fails for good drains and stops the service, with its error as the last line", async () => {
  const host = new FakeProcess();
  const { calls, done, context } = run(host);
  await turn();
  context()?.fail(unavailable("ETCD_UNREACHABLE", "etcd is gone"));
  await done;
  assert.deepEqual(calls, ["start", "drain", "stop"]);
  assert.equal(host.err, "sheaf-master: etcd is gone\n");
  assert.deepEqual(host.exits, [3]);
});

test("a part that has nothing left to do ends the service well, also when a signal was first", async () => {
  for (const isTold of [false, true]) {
    const host = new FakeProcess();
    const drained = Promise.withResolvers<void>();
    const { calls, done, context } = run(host, { drain: () => drained.promise });
    await turn();
    if (isTold) host.emit("SIGTERM");
    await host.clock.advance(1_000); // a second signal would end it at once
    context()?.finish();
    drained.resolve();
    await done;
    assert.deepEqual(calls, ["start", "drain", "stop"]);
    assert.deepEqual(host.exits, [0]);
  }
});

test("an unhandled rejection or exception ends with 70", async () => {
  for (const event of ["unhandledRejection", "uncaughtException"]) {
    const host = new FakeProcess();
    run(host);
    await turn();
    host.emit(event, new TypeError("bug"));
    assert.deepEqual(host.exits, [70]);
  }
});
