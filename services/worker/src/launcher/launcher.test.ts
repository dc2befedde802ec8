import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock } from "@sheaf/runtime";
import { FifoReader, FifoWriter, makeFifos } from "./fifos.ts";
import { isolations } from "./isolation.ts";
import { runLine, seekLine } from "./request.ts";
import { alive, poorPath, root, slowPath, until } from "./slot.test-kit.ts";

const SCRIPT = join(import.meta.dirname, "launcher.sh");

// In a process group and without setpriv nothing but the launcher itself sees to its end.
function start(argv: readonly string[], path: string): ChildProcess {
  const [file, ...args] = argv;
  return spawn(file as string, args, { stdio: ["pipe", "ignore", "ignore"], detached: true, env: { PATH: path } });
}

function newBox(): string {
  const box = join(mkdtempSync(join(root, "box-")), "0");
  makeFifos(box);
  return box;
}

function argvOf(box: string): readonly string[] {
  const way = isolations(box, "/none", false).at(-1);
  assert.equal(way?.name, "process group, without setpriv");
  return way?.argv ?? [];
}

/** The end of a process; one that does not end is killed, and fails the test. */
async function endOf(child: ChildProcess): Promise<void> {
  const limit = systemClock.timer(10_000, () => process.kill(-(child.pid as number), "SIGKILL"));
  const [, signal] = await once(child, "exit");
  limit.cancel();
  assert.notEqual(signal, "SIGKILL", "the launcher was still alive 10 s after its worker had gone");
}

describe("launcher.sh, whose worker was killed", () => {
  it("ends when the worker went before it opened its requests", async () => {
    await endOf(start(argvOf(newBox()), poorPath()));
  });

  it("ends when the worker went before it opened the other FIFOs", async () => {
    const launcher = start(["sh"], poorPath());
    launcher.stdin?.end(`l_box='${newBox()}'; . '${SCRIPT}'\n`);
    await endOf(launcher);
  });

  it("ends a command that has not left its group yet", async () => {
    const mark = `331.${process.pid}`;
    const box = newBox();
    const requests = new FifoWriter(box, "requests", systemClock);
    const control = new FifoWriter(box, "control", systemClock);
    const readers = (["events", "out0", "err0"] as const).map((name) => new FifoReader(box, name, () => {}));
    const path = slowPath();
    const launcher = start(argvOf(box), path);
    const command = {
      folder: box,
      inputs: [],
      workingDir: "",
      argv: ["sleep", mark],
      env: new Map(),
      limits: {},
      stdin: "/dev/null",
    };
    const shell = { isOwn: true, path };
    requests.write(
      `l_box='${box}'; . '${SCRIPT}'\n${seekLine(command, shell)}${runLine(0, 0, command, "group", shell)}`,
    );
    await until(() => alive(mark) > 0);
    for (const end of [requests, control, ...readers]) end.close();
    await endOf(launcher);
    await until(() => alive(mark) === 0);
  });
});
