// Commands that run in containers beside the worker (--user-volume): what is different there.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { objectOf } from "@sheaf/files";
import { api, type dispatch, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { openStore } from "@sheaf/storage";
import { FakeOwner } from "./testing/fake-owner.ts";
import { commitOf, type DatumOutcome, inputOf, JOB, outcomesOf, specOf, workOf } from "./testing/job-kit.ts";
import { Pod, whyNoPod } from "./testing/pod-kit.ts";
import { openBench } from "./testing/worker-kit.ts";

const { SUCCESS } = api.DatumState;
const skip = whyNoPod() ?? false;
const sh = (script: string) => ({ cmd: ["sh", "-c", script] });
const machine = { image: "machine" as const };
const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`/f${i}`, `${i}`]));
const seconds = (n: number) => ({ seconds: BigInt(n), nanos: 0 }) as never;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await systemClock.sleep(10);
}

const logOf = ({ log }: DatumOutcome) => log.map(({ text }) => Buffer.from(text).toString());

describe("a worker with containers", { skip }, () => {
  it("runs programs of an image that has no shell, with its PATH and environment", async () => {
    const env = { PATH: "/opt/only", MODEL: "it's big" };
    await using bench = await openBench({ pod: { image: ["/opt/only/cp", "/opt/only/env"], env } });
    const [copied] = await bench.run(specOf({ cmd: ["cp", "/pfs/in/a", "/pfs/out/copy"] }), { "/a": "1" });
    assert.deepEqual([copied?.row.message, Object.fromEntries(copied?.files ?? [])], ["", { "/copy": "1" }]);
    const [told] = await bench.run(specOf({ cmd: ["env"], env: { "my-own": "2" } }), { "/a": "1" });
    const seen = logOf(told as DatumOutcome);
    for (const line of ["PATH=/opt/only", "MODEL=it's big", "my-own=2"]) assert.ok(seen.includes(line), line);
    assert.ok(seen.every((line) => !line.startsWith("l_")));
    const [absent] = await bench.run(specOf(sh("true"), { datumTries: 1 }), { "/a": "1" });
    assert.equal(absent?.row.message, 'the command "sh" does not exist (not in the PATH of its image)');
  });

  it("shows each datum at /pfs, whatever the one before it did there", async () => {
    await using bench = await openBench({ pod: machine });
    const script = `ls -A /pfs; cat /pfs/in/*; cat /pfs/in/* >/pfs/out/copy
      rm -rf /pfs/in /pfs/out /pfs/.now; mkdir -p /pfs/.now/in /pfs/out; touch /pfs/stray; ln -s / /pfs/in`;
    const outcomes = await bench.run(specOf(sh(script)), many(3));
    for (const [i, outcome] of outcomes.entries()) {
      assert.equal(outcome.row.message, "");
      assert.equal(logOf(outcome).join("\n"), `.now\nin\nout\n${i}`);
      assert.deepEqual(Object.fromEntries(outcome.files), { "/copy": `${i}` });
    }
  });

  it("runs as many commands at a time as it has slots, each in its own container", async () => {
    await using bench = await openBench({ pod: machine, slots: 3 });
    // Each waits for all others, and ends what it can.
    const script = `touch "${bench.dir}/$(cat "$SHEAF_INPUT")"
      while [ "$(ls ${bench.dir}/[0-9] | wc -l)" -lt 3 ]; do sleep 0.02; done; sleep 0.2; kill -9 -1; exit 0`;
    const outcomes = await bench.run(specOf(sh(script)), many(3));
    assert.deepEqual(
      outcomes.map(({ row }) => [row.state, row.tries]),
      [1, 1, 1].map((tries) => [SUCCESS, tries]),
    );
  });

  it("greets nobody before its containers have started, and then works", async () => {
    await using bench = await openBench({ pod: { ...machine, isLate: true } });
    // That nothing comes has no signal.
    await systemClock.sleep(300);
    assert.deepEqual(bench.owner.heard, []);
    bench.pod?.start();
    const outcomes = await bench.run(specOf(sh("true")), many(2));
    assert.equal(outcomes.length, 2);
  });

  it("can be told to stop while its containers have not started", async () => {
    await using bench = await openBench({ pod: { ...machine, isLate: true } });
    await bench.worker.drain();
    await bench.worker.stop();
    assert.deepEqual(bench.owner.heard, []);
  });

  it("takes the end of a container for that of its command, by want of memory, and goes on with the next", async () => {
    await using bench = await openBench({ pod: machine });
    const hold = join(bench.dir, "hold");
    const script = `if [ ! -e ${hold} ]; then touch ${hold}; sleep 1000; fi; echo fine`;
    const done = bench.run(specOf(sh(script), { datumTries: 2 }), many(2), 2);
    await until(() => existsSync(hold));
    bench.pod?.kill(0);
    const outcomes = await done;
    assert.deepEqual(
      outcomes.map(({ row }) => [row.state, row.tries]),
      [
        [SUCCESS, 2],
        [SUCCESS, 1],
      ],
    );
    assert.deepEqual(bench.pod?.starts, [2]);
  });

  it("says so when a container's end spends the last try, and in batches as well", async () => {
    for (const datumBatching of [false, true]) {
      await using bench = await openBench({ pod: machine });
      const hold = join(bench.dir, "hold");
      const transform = { ...sh(`touch ${hold}; sleep 1000`), datumBatching };
      const done = bench.run(specOf(transform, { datumTries: 1 }), many(1));
      await until(() => existsSync(hold));
      bench.pod?.kill(0);
      const [outcome] = await done;
      assert.equal(outcome?.row.reason, "OOM");
      assert.match(outcome?.row.message ?? "", /ended by SIGKILL, and nobody here sent it/);
    }
  });

  it("goes on when a container dies between two commands", async () => {
    await using bench = await openBench({ pod: machine });
    for (let round = 0; round < 3; round++) {
      const [outcome] = await bench.run(specOf(sh("echo fine")), many(1));
      assert.deepEqual([outcome?.row.state, outcome?.row.tries], [SUCCESS, 1]);
      bench.pod?.kill(0);
      await until(() => bench.pod?.starts[0] === round + 2);
    }
  });

  it("ends, and says why, when a command that it must end has killed what would do that", async () => {
    await using bench = await openBench({ pod: machine, graceMs: 100 });
    const { input, n } = await bench.plan(specOf(sh("kill -9 -1; sleep 1000"), { datumTimeout: seconds(1) }), many(1));
    bench.owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize: 1, input });
    await until(() => bench.failure !== undefined);
    assert.match(String(bench.failure), /the container of slot 0 has not ended its commands .* the worker has to end/);
  });

  it("runs commands as its own user, and nobody else", async () => {
    await using bench = await openBench({ pod: machine });
    for (const [user, reason] of [
      ["0", ""],
      ["0:0", ""],
      ["1234", "USER_DENIED"],
      ["root", "UNKNOWN_USER"],
    ] as const) {
      const [outcome] = await bench.run(specOf({ ...sh("true"), user }, { datumTries: 1 }), many(1));
      assert.equal(outcome?.row.reason, reason, outcome?.row.message);
    }
  });
});

describe("pid1.sh", { skip }, () => {
  it("ends at SIGTERM when no worker has it in use", async () => {
    await using cell = await openCell();
    await until(() => cell.pod.waits(0));
    assert.equal(await cell.pod.terminate(0), 0);
  });

  it("ends after its worker, and not before, when both are told to", async () => {
    await using cell = await openCell();
    const worker = start(cell.args);
    const plan = await cell.plan("sleep 1; echo done >/pfs/out/x");
    await cell.begin(plan);
    const ended = cell.pod.terminate(0);
    worker.kill("SIGTERM");
    const [code] = await once(worker, "exit");
    assert.equal(code, 0);
    assert.equal(await ended, 0);
    const [outcome] = await outcomesOf(cell.source, cell.owner.taken);
    assert.deepEqual(Object.fromEntries(outcome?.files ?? []), { "/x": "done\n" }, "what ran is whole, and committed");
  });

  it("ends what runs when its worker is killed, and waits; an agent that is started again has no part in anything", async () => {
    await using cell = await openCell();
    const first = start(cell.args);
    await cell.begin(await cell.plan("echo $SHEAF_OUT; sleep 1000"));
    first.kill("SIGKILL");
    await once(first, "exit");
    await until(() => cell.pod.waits(0));
    const second = start(cell.args);
    const [line] = await once(createInterface({ input: second.stderr as Readable }), "line");
    assert.match(line, /the worker of this pod has ended before; this process waits to be told to stop/);
    second.kill("SIGTERM");
    assert.equal((await once(second, "exit"))[0], 0);
    assert.equal(cell.owner.heardOf("hello").length, 1);
    assert.deepEqual(cell.pod.starts, [1], "the container has lived through it");
  });
});

function start(args: readonly string[]): ChildProcess {
  const env = { ...process.env, SHEAF_LOG_LEVEL: "warn" };
  const argv = [join(import.meta.dirname, "main.ts"), ...args];
  return spawn(process.execPath, argv, { stdio: ["inherit", "inherit", "pipe"], env });
}

/** An owner, a store, a pod, and the arguments of a worker for them. */
async function openCell() {
  const dir = mkdtempSync(join(tmpdir(), "sheaf-pod-test-"));
  const url = pathToFileURL(join(dir, "store")).href;
  const source = await openStore(url);
  const owner = new FakeOwner(source);
  await owner.start();
  const pod = new Pod(join(dir, "sheaf"), machine);
  const args = ["--pool", "edges", "--masters", owner.address, "--store", url, "--data", join(dir, "work")];
  args.push("--user-volume", pod.volume, "--id", "w1");
  /** Of one datum; what gives its process ledger. */
  const plan = async (script: string) => {
    const inputs = inputOf(await commitOf(source, { "/a": "1" }));
    const spec = specOf(sh(script));
    const input = await workOf(source, spec, { inputs });
    owner.give({ job: JOB, kind: store.WorkKind.PLAN, n: 1, claimSize: 1, input });
    await owner.complete();
    const planned = objectOf((owner.taken[0] as { result: store.TableRef }).result);
    const work = await workOf(source, spec, { inputs, plan: planned });
    return { job: JOB, kind: store.WorkKind.PROCESS, n: 1, claimSize: 1, input: work };
  };
  /** Resolves when its command runs. */
  const begin = async (ledger: Awaited<ReturnType<typeof plan>>) => {
    owner.give(ledger);
    const runs = ({ claim, running }: dispatch.HeldPosition) => running.length > 0 && owner.claims.has(claim);
    await owner.until(() => owner.heardOf("beat").some(({ claims }) => claims.some(runs)));
  };
  const dispose = async () => {
    await owner.stop();
    await source.close();
    await pod[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  };
  return { dir, source, owner, pod, args, plan, begin, [Symbol.asyncDispose]: dispose };
}
