// How commands are ended: at their timeout, on demand, with their launcher or worker; and that nothing of them is left.

import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { manualClock, systemClock } from "@sheaf/runtime";
import { alive, exited, openSlot, PATH, poorPath, slowPath, until } from "./slot.test-kit.ts";

describe("Slot, at the end of a command", () => {
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
    await systemClock.sleep(100); // Nothing may begin, of which there is no signal.
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
