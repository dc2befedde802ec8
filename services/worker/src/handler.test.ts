// Handlers, with real threads: what a function sees, what becomes of its errors, and that it cannot hold up the worker.

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { api, dispatch, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { type DatumOutcome, JOB, outcomesOf, specOf } from "./testing/job-kit.ts";
import { openBench } from "./testing/worker-kit.ts";

const { SUCCESS, FAILED, RECOVERED } = api.DatumState;

const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`/f${i}`, "x".repeat(i)]));
const logOf = ({ log }: DatumOutcome) => log.map(({ text }) => Buffer.from(text).toString());
const told = (outcomes: readonly DatumOutcome[]) => outcomes.map(({ row }) => [row.state, row.tries, row.reason]);
/** A handler that does this with the datum; `name` is the last part of its path. */
const handler = (body: string, more: Partial<api.Transform> = {}) => ({
  handler: `
    import { appendFileSync, existsSync, readFileSync } from "node:fs";
    interface Typed { readonly a: number }
    export default async (datum) => {
      const name: string = datum.inputs[0].path.slice(1);
      ${body}
    };`,
  ...more,
});

describe("a handler", () => {
  it("handles all datums, each with its own files, variables and log", async () => {
    process.env.SHEAF_TOKEN = "secret";
    await using bench = await openBench();
    const body = `
      datum.write("deep/n", String(datum.bytes().length));
      datum.write("env", JSON.stringify([process.env, datum.env, datum.id, datum.input, datum.inputs]));
      console.log(name); console.error(process.env.MINE); process.stdout.write("rest");`;
    const outcomes = await bench.run(specOf(handler(body, { env: { MINE: "a 'b'" } })), many(30));
    for (const outcome of outcomes) {
      const { row, files } = outcome;
      const name = row.inputs[0]?.slice(1) ?? "";
      assert.deepEqual([row.state, row.message], [SUCCESS, ""]);
      assert.equal(`f${files.get("/deep/n")}`, name);
      assert.deepEqual(logOf(outcome), [name, "a 'b'", "rest"]);
      const [own, env, id, input, inputs] = JSON.parse(files.get("/env") ?? "");
      assert.deepEqual(
        [own.MINE, own.SHEAF_TOKEN, env.SHEAF_JOB_ID, env.SHEAF_DATUM_ID],
        ["a 'b'", undefined, JOB, id],
      );
      assert.deepEqual(inputs, [{ name: "in", path: `/${name}`, file: input }]);
    }
  });

  it("has the same inputs and output whether files are made for it or not", async () => {
    await using bench = await openBench();
    const size = { "/f0": 100, "/f1": 100, "/f2": 100, "/f3": 1_000_000 };
    const body = `
      const before = datum.bytes().length;
      datum.write("a", "old"); datum.write("b/c", Buffer.from("xyz").subarray(1)); datum.write("a", "new");
      if (name === "f1") appendFileSync(datum.out + "/a", readFileSync(datum.input, "utf8"));
      if (name === "f2") datum.write("big", "y".repeat(2_000_000));
      datum.write("after", datum.text().length + " " + before);
      if (name === "f0") { const { readdirSync } = await import("node:fs"); console.log(readdirSync(process.env.SCRATCH + "/worker-1/datums").length); }`;
    const files = Object.fromEntries(Object.entries(size).map(([path, n]) => [path, "x".repeat(n)]));
    const spec = specOf(handler(body, { env: { SCRATCH: join(bench.dir, "scratch") } }));
    const outcomes = await bench.run(spec, files);
    const common = (n: number) => ({ "/a": "new", "/b/c": "yz", "/after": `${n} ${n}` });
    assert.deepEqual(
      outcomes.map(({ files }) => Object.fromEntries(files)),
      [
        common(100),
        { ...common(100), "/a": `new${"x".repeat(100)}` },
        { ...common(100), "/big": "y".repeat(2_000_000) },
        common(1_000_000),
      ],
    );
    assert.deepEqual(outcomes.map(({ row }) => row.stats?.downloadBytes).map(Number), Object.values(size));
    // Of f3, which is downloaded ahead; none of f0.
    assert.deepEqual(logOf(outcomes[0] as DatumOutcome), ["1"]);
  });

  it("what it writes under a name that cannot be, or under sum and is none, fails the datum", async () => {
    await using bench = await openBench();
    const body = `
      if (name === "f0") datum.write("../x", "");
      if (name === "f1") datum.write("a\\\\b", "");
      if (name === "f2") { datum.write("a", ""); datum.write("a/b", ""); }
      if (name === "f3") datum.write("sum/n", "no sum\\n");
      if (name === "f4") datum.write("sum/n", "a\\t1\\n");`;
    const merge = { rules: [{ glob: "/sum/*", strategy: api.MergeStrategy.SUM }] } as api.MergeSpec;
    const outcomes = await bench.run(specOf(handler(body), { datumTries: 1, merge }), many(5));
    assert.deepEqual(
      outcomes.map(({ row }) => row.reason),
      ["HANDLER_THREW", "BAD_NAME", "HANDLER_THREW", "NOT_A_SUM", ""],
    );
  });

  it("an error costs that datum a try, and its stack is in the log", async () => {
    await using bench = await openBench();
    const body = `
      if (name === "f1") throw new RangeError("no good");
      if (name === "f2") await Promise.reject("just text");
      if (name === "f3") process.exit(3);
      if (name === "f0") (await import("node:worker_threads")).parentPort.postMessage({ t: "output" });
      if (name === "f4") { setImmediate(() => { throw new Error("later"); }); await new Promise(() => setInterval(() => {}, 1000)); }
      console.log(name);`;
    const outcomes = await bench.run(specOf(handler(body), { datumTries: 2 }), many(6));
    assert.deepEqual(told(outcomes), [
      [SUCCESS, 1, ""],
      [FAILED, 2, "HANDLER_THREW"],
      [FAILED, 2, "HANDLER_THREW"],
      [FAILED, 2, "HANDLER_EXITED"],
      [FAILED, 2, "HANDLER_CRASHED"],
      [SUCCESS, 1, ""],
    ]);
    assert.deepEqual(
      outcomes.slice(1, 5).map(({ row }) => row.message),
      [
        "RangeError: no good",
        "it threw just text",
        "the handler ended its thread with exit code 3",
        "the handler's thread was ended by an error: later",
      ],
    );
    assert.match(logOf(outcomes[1] as DatumOutcome).join("\n"), /^RangeError: no good\n {4}at .*handler-.*\.mts:/);
  });

  it("a module that cannot be loaded fails its datums with what is wrong", async () => {
    await using bench = await openBench();
    for (const [text, message] of [
      ["export default 1;", /^TypeError: the module has no default export that is a function/],
      ["export default (", /^SyntaxError.*: /],
      ['import "./other.ts"; export default () => {};', /Cannot find module/],
      ['throw new Error("at the top");', /^Error: at the top$/],
    ] as const) {
      const outcomes = await bench.run(specOf({ handler: text }, { datumTries: 1 }), many(2));
      assert.deepEqual(told(outcomes), Array(2).fill([FAILED, 1, "HANDLER_NOT_LOADED"]));
      for (const { row } of outcomes) assert.match(row.message, message);
    }
  });

  it("a module that cannot be loaded has the line that is wrong in the log", async () => {
    await using bench = await openBench();
    const [outcome] = await bench.run(
      specOf({ handler: "const a = 1;\nexport default ( => {};" }, { datumTries: 1 }),
      many(1),
    );
    assert.match(
      logOf(outcome as DatumOutcome).join("\n"),
      /^file:.*handler-.*\.mts:2\n(?:.*\n)*export default \( => \{\};\n/,
    );
  });

  it("whatever is thrown is shown", async () => {
    await using bench = await openBench();
    const body = `
      if (name === "f0") throw { code: 7 };
      if (name === "f1") throw Symbol("odd");
      if (name === "f2") throw Object.create(null);
      if (name === "f3") throw undefined;`;
    const outcomes = await bench.run(specOf(handler(body), { datumTries: 1 }), many(4));
    assert.deepEqual(told(outcomes), Array(4).fill([FAILED, 1, "HANDLER_THREW"]));
    assert.deepEqual(
      outcomes.map(({ row }) => row.message),
      ["it threw { code: 7 }", "it threw Symbol(odd)", "it threw [Object: null prototype] {}", "it threw undefined"],
    );
  });

  it("what throws again when it is looked at does not hide that the handler threw, and costs no thread", async () => {
    await using bench = await openBench();
    const body = `
      const broken = () => { throw new Error("not what went wrong"); };
      if (name === "f0") throw Object.assign(new Error("x"), { toString: broken });
      if (name === "f1") throw new Proxy({}, { get: broken, getPrototypeOf: broken });
      if (name === "f2") throw { [Symbol.for("nodejs.util.inspect.custom")]: broken };
      if (name === "f3") throw Object.defineProperty(new RangeError("no good"), "stack", { get: broken });
      if (name === "f4") throw "";`;
    const outcomes = await bench.run(specOf(handler(body), { datumTries: 1 }), many(5));
    assert.deepEqual(told(outcomes), Array(5).fill([FAILED, 1, "HANDLER_THREW"]));
    const unreadable = "it threw an object whose text cannot be read: that throws as well";
    assert.deepEqual(
      outcomes.map(({ row }) => row.message),
      [unreadable, unreadable, unreadable, "RangeError: no good", "it threw ''"],
    );
  });

  it("may not use a datum that it has returned from: what it wrote then was lost without a word", async () => {
    await using bench = await openBench();
    const body = `
      const { last } = globalThis;
      globalThis.last = name === "f0" ? () => datum.write("late", "") : () => datum.out;
      last?.();`;
    const outcomes = await bench.run(specOf(handler(body), { datumTries: 1 }), many(3));
    assert.deepEqual(told(outcomes), [
      [SUCCESS, 1, ""],
      [FAILED, 1, "HANDLER_THREW"],
      [FAILED, 1, "HANDLER_THREW"],
    ]);
    const message = (n: number) =>
      `Error: the handler has returned from datum "/f${n}" already: it has to await all that uses the datum`;
    assert.deepEqual([outcomes[1]?.row.message, outcomes[2]?.row.message], [message(0), message(1)]);
  });

  it("may write text and bytes, and nothing that would become an empty file", async () => {
    await using bench = await openBench();
    const body = `
      if (name === "f0") datum.write("n", Buffer.from("x"));
      if (name === "f1") datum.write("n", 17);
      if (name === "f2") datum.write("n", { a: 1 });
      if (name === "f3") datum.write("n");
      if (name === "f4") datum.write(undefined, "x");`;
    const outcomes = await bench.run(specOf(handler(body), { datumTries: 1 }), many(5));
    const use = "use text, a Buffer, or another view of bytes";
    assert.deepEqual(
      outcomes.map(({ row }) => row.message),
      [
        "",
        ...["17", "{ a: 1 }", "undefined"].map((it) => `TypeError: write("n", data): the data is ${it}: ${use}`),
        "TypeError: write(name, data): the name is undefined: use text",
      ],
    );
  });

  it("may put out folders as deep as a command may, and no deeper", async () => {
    await using bench = await openBench();
    const body = 'datum.write("d/".repeat(name === "f0" ? 99 : 150) + "f", "x");';
    const outcomes = await bench.run(specOf(handler(body), { datumTries: 1 }), many(2));
    assert.deepEqual(told(outcomes), [
      [SUCCESS, 1, ""],
      [FAILED, 1, "OUTPUT_TOO_DEEP"],
    ]);
  });

  it("leaves what it cannot do to err_cmd", async () => {
    await using bench = await openBench();
    const body = 'if (name === "f1") throw new Error("cannot"); datum.write("n", name);';
    const errCmd = ["sh", "-c", 'test -e "$SHEAF_INPUT" && test "$SHEAF_FAILURE_REASON" = HANDLER_THREW'];
    const outcomes = await bench.run(specOf(handler(body, { errCmd }), { datumTries: 1 }), many(3));
    assert.deepEqual(told(outcomes), [
      [SUCCESS, 1, ""],
      [RECOVERED, 1, "HANDLER_THREW"],
      [SUCCESS, 1, ""],
    ]);
  });

  it("may put out what resource_limits.disk allows, in files or in memory, and no more", async () => {
    await using bench = await openBench();
    for (const write of ['datum.write("n", text);', 'datum.out; datum.write("n", text);']) {
      const body = `const text = "x".repeat(name === "f1" ? 1025 : 1024); ${write}`;
      const outcomes = await bench.run(
        specOf(handler(body), { datumTries: 1, resourceLimits: { disk: "1Ki" } as never }),
        many(2),
      );
      assert.deepEqual(told(outcomes), [
        [SUCCESS, 1, ""],
        [FAILED, 1, "OUTPUT_TOO_LARGE"],
      ]);
      assert.equal(outcomes[1]?.row.message, "the output has 1025 bytes; resource_limits.disk allows 1024");
    }
  });

  it("one that blocks its thread delays no beat, and ends with its timeout", async () => {
    await using bench = await openBench();
    const late: number[] = [];
    const body = 'if (name === "f1") for (;;); datum.write("n", name);';
    const spec = specOf(handler(body), { datumTries: 1, datumTimeout: { seconds: 4n, nanos: 0 } as never });
    const { input, n } = await bench.plan(spec, many(3));
    bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: n, input });
    const complete = bench.owner.complete();
    let over = false;
    void complete.then(() => {
      over = true;
    });
    let beats = bench.owner.heardOf("beat").length;
    for (let last = systemClock.now(); !over; await systemClock.sleep(20)) {
      const now = bench.owner.heardOf("beat").length;
      if (now === beats) continue;
      late.push(systemClock.now() - last);
      [beats, last] = [now, systemClock.now()];
    }
    await complete;
    const outcomes = await outcomesOf(bench.store, bench.owner.taken);
    assert.deepEqual(told(outcomes), [
      [SUCCESS, 1, ""],
      [FAILED, 1, "TIMEOUT"],
      [SUCCESS, 1, ""],
    ]);
    assert.match(outcomes[1]?.row.message ?? "", /^the handler ran longer than datum_timeout, 4000 ms/);
    // A silent worker is given up after 6 s; beats go every second.
    assert.ok(late.length >= 3, `only ${late.length} beats while it was blocked, before and after`);
    assert.ok(Math.max(...late.slice(1)) < 3_500, `beats ${late} ms apart`);
  });

  it("begins a datum anew when a user wants that, and spends no try", async () => {
    await using bench = await openBench();
    const go = join(bench.dir, "go");
    const body = `appendFileSync(process.env.GO + ".ran", name + "\\n"); if (name === "f1" && !existsSync(process.env.GO)) for (;;);`;
    const { input, n } = await bench.plan(specOf(handler(body, { env: { GO: go } }), { datumTries: 1 }), many(3));
    bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: n, input });
    const running = ({ running }: dispatch.HeldPosition) => running.some(({ index }) => index === 1n);
    await bench.owner.until(() => bench.owner.heardOf("beat").at(-1)?.claims.some(running) === true);
    assert.ok(existsSync(`${go}.ran`));
    writeFileSync(go, "");
    const [claim = ""] = bench.owner.claims.keys();
    bench.owner.cancel(claim, dispatch.CancelReason.RESTARTED, 1);
    await bench.owner.complete();
    assert.deepEqual(told(await outcomesOf(bench.store, bench.owner.taken)), Array(3).fill([SUCCESS, 1, ""]));
  });

  it("a flood of output is cut, and the worker lives", async () => {
    await using bench = await openBench();
    const body =
      'const line = "x".repeat(1023); for (let i = 0; i < 20_000; i++) console.log(line); console.log("end");';
    const [outcome] = await bench.run(specOf(handler(body)), many(1));
    const log = logOf(outcome as DatumOutcome);
    assert.equal(outcome?.row.state, SUCCESS);
    assert.ok(log.length < 1_100, `${log.length} lines`);
    assert.equal(log.filter((line) => /^\[sheaf: \d+ bytes of output are left out here\]$/.test(line)).length, 1);
    assert.equal(log.at(-1), "end");
  });
});
