import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { manualClock, systemClock } from "@sheaf/runtime";
import { alive, openSlot, PATH, poorPath, slowPath, until } from "./slot.test-kit.ts";

const exited = (status: number) => ({ kind: "exited", status, why: "" }) as const;
const nodeArgs = (...args: string[]) => [
  process.execPath,
  "-e",
  "console.log(JSON.stringify(process.argv.slice(1)))",
  "--",
  ...args,
];

describe("Slot", () => {
  it("delivers argv untouched", async () => {
    using slot = await openSlot();
    const every = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1)).join("");
    const args = [
      "",
      " ",
      "a b",
      "it's",
      '"',
      "$HOME `id` \\ $(id)",
      "line\nbreak\n",
      "ünïcödé 🙂",
      "-n",
      "*",
      every,
      "x".repeat(100_000),
    ];
    const result = await slot.run({ argv: nodeArgs(...args) });
    assert.deepEqual(result.ended, exited(0));
    assert.deepEqual(JSON.parse(result.stdout), args);
  });

  it("gives exactly the environment that it is told", async () => {
    using slot = await openSlot();
    process.env.SHEAF_TOKEN = "secret";
    const script = "console.log(JSON.stringify(process.env))";
    const env = { A: "it's\n$x", "my-repo": "/x", OPTIND: "no number", UID: "7" };
    const result = await slot.run({ argv: [process.execPath, "-e", script], env });
    const { PWD, ...seen } = JSON.parse(result.stdout);
    assert.deepEqual(seen, { PATH, ...env });
    assert.equal(PWD, slot.data);
    const next = await slot.run({ argv: [process.execPath, "-e", script] });
    assert.deepEqual(JSON.parse(next.stdout), { PATH, PWD: slot.data });
  });

  it("feeds standard input and keeps the streams apart", async () => {
    using slot = await openSlot();
    const result = await slot.run({ argv: ["sh", "-c", "cat; echo err >&2"], stdin: "one\ntwo\n" });
    assert.deepEqual(result, { ended: exited(0), stdout: "one\ntwo\n", stderr: "err\n" });
    const empty = await slot.run({ argv: ["cat"] });
    assert.deepEqual(empty, { ended: exited(0), stdout: "", stderr: "" });
  });

  it("tells exit codes and signals", async () => {
    using slot = await openSlot();
    for (const code of [0, 1, 42, 127, 126, 255]) {
      assert.deepEqual((await slot.run({ argv: ["sh", "-c", `exit ${code}`] })).ended, exited(code));
    }
    assert.deepEqual((await slot.run({ argv: ["sh", "-c", "kill -SEGV $$"] })).ended, exited(139));
    assert.deepEqual((await slot.run({ argv: ["sh", "-c", "kill -KILL $$"] })).ended, exited(137));
  });

  it("tells a command that is missing from one that may not be run", async () => {
    using slot = await openSlot();
    const script = join(slot.data, "not-executable");
    writeFileSync(script, "#!/bin/sh\n", { mode: 0o644 });
    assert.deepEqual((await slot.run({ argv: ["no-such-command"] })).ended, {
      kind: "exited",
      status: 127,
      why: "missing",
    });
    assert.deepEqual((await slot.run({ argv: ["/no/such"] })).ended, { kind: "exited", status: 127, why: "missing" });
    assert.deepEqual((await slot.run({ argv: ["./not-executable"] })).ended, {
      kind: "exited",
      status: 126,
      why: "denied",
    });
    assert.deepEqual((await slot.run({ argv: ["not-executable"], env: { PATH: slot.data } })).ended, {
      kind: "exited",
      status: 127,
      why: "denied",
    });
  });

  it("runs a program and never the shell's own command of that name", async () => {
    using slot = await openSlot();
    assert.deepEqual((await slot.run({ argv: ["exit", "3"] })).ended, { kind: "exited", status: 127, why: "missing" });
    assert.equal((await slot.run({ argv: ["echo", "-e", "a\\tb"] })).stdout, "a\tb\n");
    assert.deepEqual((await slot.run({ argv: ["true"] })).ended, exited(0));
  });

  it("starts in the datum's folder, or in the working folder", async () => {
    using slot = await openSlot();
    mkdirSync(join(slot.data, "inner"));
    assert.equal((await slot.run({ argv: ["pwd"] })).stdout, `${slot.data}\n`);
    assert.equal((await slot.run({ argv: ["pwd"], workingDir: "inner" })).stdout, `${slot.data}/inner\n`);
    assert.equal((await slot.run({ argv: ["pwd"], workingDir: "/" })).stdout, "/\n");
    const gone = await slot.run({ argv: ["pwd"], workingDir: "/no/such" });
    assert.deepEqual(gone.ended, { kind: "exited", status: 127, why: "no-working-dir" });
  });

  it("shows each datum at /pfs, and leaves the machine's root folder alone", async (t) => {
    using slot = await openSlot();
    if (!slot.isolation.endsWith("with /pfs")) return t.skip("needs the right to mount");
    const before = readdirSync("/").sort();
    for (const name of ["a", "b"]) {
      const folder = join(slot.data, name);
      mkdirSync(join(folder, "pfs/out"), { recursive: true });
      writeFileSync(join(folder, "pfs/file"), name);
      const script = "cat /pfs/file; cat /pfs/file >/pfs/out/copy; pwd; realpath /pfs/file; cat /proc/self/comm";
      const { stdout } = await slot.run({ argv: ["sh", "-c", script], folder });
      assert.equal(stdout, `${name}${folder}\n${folder}/pfs/file\ncat\n`);
      assert.equal(readFileSync(join(folder, "pfs/out/copy"), "utf8"), name);
    }
    const seen = await slot.run({
      argv: ["sh", "-c", "ls -A /; mkdir /x; rm /pfs; mkdir /tmp/sheaf-x && rmdir /tmp/sheaf-x && echo fine"],
    });
    assert.deepEqual(seen.stdout.split("\n").slice(0, -2).sort(), [...new Set([...before, "pfs", ".sheaf"])].sort());
    assert.match(seen.stdout, /fine\n$/);
    assert.match(seen.stderr, /mkdir: .*Read-only file system\nrm: .*Read-only file system\n/);
    assert.deepEqual(readdirSync("/").sort(), before);
  });

  it("runs thousands of commands, each once, in order", async () => {
    using slot = await openSlot();
    const file = join(slot.data, "count");
    const runs = Array.from({ length: 1_500 }, (_, i) =>
      slot.run({ argv: ["sh", "-c", `echo ${i} >>${file}; echo ${i}`] }),
    );
    for (const [i, result] of (await Promise.all(runs)).entries()) {
      assert.deepEqual(result, { ended: exited(0), stdout: `${i}\n`, stderr: "" });
    }
    assert.equal(readFileSync(file, "utf8"), Array.from({ length: 1_500 }, (_, i) => `${i}\n`).join(""));
  });

  it("drains a flood of output", async () => {
    using slot = await openSlot();
    let bytes = 0;
    const result = await slot.run({ argv: ["sh", "-c", "head -c 50000000 /dev/zero | tr '\\0' x; echo done >&2"] });
    bytes = result.stdout.length;
    assert.equal(bytes, 50_000_000);
    assert.equal(result.stderr, "done\n");
  });

  it("stops a command at its timeout, gently", async () => {
    using slot = await openSlot();
    const result = await slot.run({
      argv: ["sh", "-c", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"],
      timeoutMs: 300,
    });
    assert.deepEqual(result, { ended: { kind: "timed-out" }, stdout: "bye\n", stderr: result.stderr });
  });

  it("kills what ignores SIGTERM, with all its children", async () => {
    using slot = await openSlot(300);
    const mark = `311.${process.pid}`;
    const script = `trap '' TERM; (trap '' TERM; sleep ${mark}) & sleep ${mark}`;
    const result = await slot.run({ argv: ["sh", "-c", script], timeoutMs: 300 });
    assert.deepEqual(result.ended, { kind: "timed-out" });
    assert.equal(alive(mark), 0);
    assert.deepEqual((await slot.run({ argv: ["true"] })).ended, exited(0));
  });

  it("leaves nothing of a command alive, not even a daemon", async (t) => {
    using slot = await openSlot();
    if (!slot.isolation.startsWith("PID namespace")) return t.skip("needs PID namespaces");
    const mark = `312.${process.pid}`;
    const result = await slot.run({
      argv: ["sh", "-c", `setsid sh -c 'sleep ${mark} & setsid sleep ${mark} &' & exit 0`],
    });
    assert.deepEqual(result.ended, exited(0));
    assert.equal(alive(mark), 0);
    // Its killer went with them and is there again.
    const timed = await slot.run({ argv: ["sleep", mark], timeoutMs: 100 });
    assert.deepEqual(timed.ended, { kind: "timed-out" });
    assert.equal(alive(mark), 0);
  });

  it("has its killer again after a command that has killed it, and nothing else", async (t) => {
    using slot = await openSlot();
    if (!slot.isolation.startsWith("PID namespace")) return t.skip("needs PID namespaces");
    // It waits until the killer is dead: on a busy machine one that is only being killed is still taken for alive, and the launcher
    // is replaced after the next timeout.
    const script = `for each in /proc/[0-9]*; do
      pid=\${each#/proc/}
      case $pid in 1 | $$) continue ;; esac
      kill -9 "$pid"
      while [ -e "$each/exe" ]; do :; done
    done`;
    assert.deepEqual((await slot.run({ argv: ["sh", "-c", script] })).ended, exited(0));
    const timed = await slot.run({ argv: ["sleep", "10"], timeoutMs: 100 });
    assert.deepEqual(timed.ended, { kind: "timed-out" });
    assert.deepEqual(slot.troubles, []);
  });

  it("leaves nothing alive of what forks and ends while it is looked for", async (t) => {
    using slot = await openSlot();
    if (!slot.isolation.startsWith("PID namespace")) return t.skip("needs PID namespaces");
    const mark = `317.${process.pid}`;
    for (let round = 0; round < 60; round++) {
      let chain = `sleep ${mark} &`;
      for (let link = 0; link < round % 12; link++) chain = `( ${chain} ) &`;
      assert.deepEqual((await slot.run({ argv: ["sh", "-c", chain] })).ended, exited(0));
      assert.equal(alive(mark), 0);
    }
  });

  it("tells a command to end once, and waits for the grace", async () => {
    using slot = await openSlot(1_500);
    const script = "trap 'echo told' TERM; while :; do sleep 0.05; done";
    const result = await slot.run({ argv: ["sh", "-c", script], timeoutMs: 300 });
    assert.deepEqual(result, { ended: { kind: "timed-out" }, stdout: "told\n", stderr: result.stderr });
  });

  it("kills on demand", async () => {
    using slot = await openSlot(300);
    const mark = `313.${process.pid}`;
    const result = await slot.run({
      argv: ["sh", "-c", `echo on; sleep ${mark}`],
      onStarted: (run) => setTimeout(() => slot.slot.kill(run), 200),
    });
    assert.deepEqual(result.ended, { kind: "killed" });
    assert.equal(result.stdout, "on\n");
    assert.equal(alive(mark), 0);
  });

  it("stops a command gently that is killed before the launcher has begun it", async () => {
    // Who missed SIGTERM would be alive until the grace is over.
    for (const path of [PATH, poorPath()]) {
      using slot = await openSlot(3_600_000, path);
      const result = await slot.run({ argv: ["sleep", "316"], onStarted: (run) => slot.slot.kill(run) });
      assert.deepEqual(result.ended, { kind: "killed" });
    }
  });

  it("starts the next command when the grace of a hung one is over: after that it waits for signals, and for no time", async () => {
    for (const path of [PATH, poorPath()]) {
      const clock = manualClock();
      using slot = await openSlot(5_000, path, clock);
      const has = (name: string) => () => existsSync(join(slot.data, name));
      const hung = "trap ': >told' TERM; : >on; while :; do sleep 0.05; done";
      let nextAt = 0;
      const first = slot.run({ argv: ["sh", "-c", hung], timeoutMs: 1_000 });
      const next = slot.run({ argv: ["true"], onStarted: () => (nextAt = clock.now()) });
      await until(has("on"));
      await clock.advance(1_000);
      await until(has("told"));
      await clock.advance(4_999);
      assert.equal(nextAt, 0);
      await clock.advance(1);
      assert.deepEqual((await next).ended, exited(0));
      assert.deepEqual((await first).ended, { kind: "timed-out" });
      assert.equal(nextAt, 6_000);
    }
  });

  it("stops the next command though one has killed all that it could", async () => {
    using slot = await openSlot(100);
    for (const kill of ["kill -9 -1", "kill -9 0", "kill 0"]) {
      if (slot.isolation.startsWith("PID namespace")) await slot.run({ argv: ["sh", "-c", `${kill}; sleep 0.1`] });
      const timed = await slot.run({ argv: ["sleep", "1000"], timeoutMs: 100 });
      assert.deepEqual(timed.ended, { kind: "timed-out" });
    }
  });

  it("goes on with a new launcher when the old one dies", async () => {
    using slot = await openSlot();
    const mark = `314.${process.pid}`;
    const result = await slot.run({
      argv: ["sh", "-c", `sleep ${mark}`],
      onStarted: () =>
        void until(() => alive(mark) > 0).then(() => {
          for (const pid of launcherPids(slot.data)) process.kill(pid, "SIGKILL");
        }),
    });
    assert.equal(result.ended.kind, "lost");
    await until(() => alive(mark) === 0);
    assert.deepEqual((await slot.run({ argv: ["true"] })).ended, exited(0));
    assert.equal(slot.troubles.length, 1);
  });

  it("ends all that runs when it is closed", async () => {
    const mark = `315.${process.pid}`;
    const slot = await openSlot();
    void slot.run({ argv: ["sh", "-c", `sleep ${mark} & sleep ${mark}`] });
    await until(() => alive(mark) > 0);
    slot.slot.close();
    await until(() => alive(mark) === 0);
    assert.equal(existsSync(join(slot.data, "..", "0")), false);
  });
});

describe("Slot, where there are no namespaces", () => {
  it("runs commands all the same, and ends their process group", async () => {
    using slot = await openSlot(300, poorPath());
    assert.equal(slot.isolation, "process group, without setpriv");
    const mark = `321.${process.pid}`;
    assert.deepEqual((await slot.run({ argv: ["sh", "-c", "exit 5"] })).ended, exited(5));
    assert.equal((await slot.run({ argv: ["sh", "-c", "cat"], stdin: "in\n" })).stdout, "in\n");
    assert.deepEqual((await slot.run({ argv: ["no-such"] })).ended, { kind: "exited", status: 127, why: "missing" });
    assert.deepEqual((await slot.run({ argv: ["sh", "-c", `sleep ${mark} & exit 0`] })).ended, exited(0));
    await until(() => alive(mark) === 0);
    const timed = await slot.run({ argv: ["sh", "-c", `trap '' TERM; sleep ${mark} & sleep ${mark}`], timeoutMs: 200 });
    assert.deepEqual(timed.ended, { kind: "timed-out" });
    await until(() => alive(mark) === 0);
    assert.deepEqual((await slot.run({ argv: ["true"] })).ended, exited(0));
  });

  it("ends the command when the worker goes", async () => {
    const slot = await openSlot(300, poorPath());
    const mark = `322.${process.pid}`;
    void slot.run({ argv: ["sh", "-c", `sleep ${mark} & sleep ${mark}`] });
    await until(() => alive(mark) > 0);
    slot.slot.close();
    await until(() => alive(mark) === 0);
  });

  it("ends a command that has not left the launcher's group yet when the worker goes", async () => {
    const slot = await openSlot(300, slowPath());
    const mark = `323.${process.pid}`;
    void slot.run({ argv: ["sleep", mark] });
    await until(() => alive(mark) > 0);
    slot.slot.close();
    await until(() => alive(mark) === 0);
  });

  it("ends a command at whatever moment the worker goes, and removes its folder", async () => {
    const mark = `324.${process.pid}`;
    const path = poorPath();
    for (let step = 0; step < 50; step++) {
      const slot = await openSlot(300, path);
      void slot.run({ argv: ["sleep", mark] });
      // No timer of the event loop is as fine as what is looked for.
      const from = performance.now();
      while (performance.now() < from + step * 0.06);
      slot.slot.close();
      assert.equal(existsSync(join(slot.data, "..", "0")), false);
    }
    await until(() => alive(mark) === 0);
  });

  it("starts no command before the last order to stop the one before is confirmed", async () => {
    using slot = await openSlot(60_000, poorPath());
    const mark = `325.${process.pid}`;
    const box = join(slot.data, "..", "0");
    // It opens its FIFO in its own time: the launcher does not wait for that.
    await until(() => readersOf(join(box, "control")).length === 1);
    const killer = readersOf(join(box, "control"))[0] as number;
    let isStopped = false;
    let isNextStarted = false;
    const first = slot.run({
      argv: ["sleep", mark],
      onStarted: (run) =>
        void until(() => alive(mark) > 0).then(() => {
          process.kill(killer, "SIGSTOP");
          isStopped = true;
          slot.slot.kill(run);
        }),
    });
    const next = slot.run({ argv: ["true"], onStarted: () => (isNextStarted = true) });
    await until(() => isStopped);
    await systemClock.sleep(800); // The order is repeated meanwhile.
    // A killer that was held up between the two would say the one, and the launcher the other.
    appendFileSync(join(box, "events"), "did 0 hit\nexit 0 143 \n");
    await systemClock.sleep(100);
    assert.equal(isNextStarted, false);
    process.kill(killer, "SIGCONT");
    assert.deepEqual((await first).ended, { kind: "killed" });
    assert.deepEqual((await next).ended, exited(0));
  });
});

/** The processes, other than this one, that have a file open. */
function readersOf(file: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => {
      try {
        return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === file);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The processes that wait for the launcher of this slot. */
function launcherPids(data: string): number[] {
  const box = join(data, "..", "0");
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(box);
      } catch {
        return false;
      }
    })
    .map(Number);
}
