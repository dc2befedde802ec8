/** runService in a real process: what it prints, how it ends, and that it does not outlive its parent. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "@sheaf/runtime";
import { temporaryFolder } from "../kit/etcd-server.ts";

const folder = await temporaryFolder(after);
const script = join(folder, "service.mjs");
await writeFile(
  script,
  `import { defineSettings, invalidArgument, runService } from ${JSON.stringify(import.meta.resolve("@sheaf/runtime"))};
   const settings = defineSettings({ mode: { flag: "mode", type: "string", default: "good", help: "What to do." } });
   const part = (mode) => {
     let timer;
     return {
       async start() {
         if (mode === "bad") throw new TypeError("a bug\\nin two lines");
         timer = setInterval(() => {}, 1000);
         process.stdout.write("ready " + process.pid + "\\n");
         if (mode === "reject") void Promise.reject(new Error("nobody waits"));
       },
       async drain() {
         process.stdout.write("drained\\n");
         if (mode === "stuck") await new Promise(() => {});
       },
       async stop() { clearInterval(timer); },
     };
   };
   await runService({ name: "toy", summary: "A toy.", example: "--mode good", settings, build: ({ mode }) => [part(mode)] });`,
);

interface Toy {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  /** Exit code (or signal), and all that was printed. */
  readonly ended: Promise<{ readonly how: unknown; readonly out: string; readonly err: string }>;
}

function toy(...args: string[]): Toy {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const text = { out: "", err: "" };
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  child.stdout.on("data", (chunk) => {
    text.out += chunk;
    if (text.out.includes("ready")) resolve();
  });
  child.stderr.on("data", (chunk) => {
    text.err += chunk;
  });
  const ended = once(child, "close").then(([code, signal]) => ({ how: code ?? signal, ...text }));
  return { child, ready, ended };
}

test("SIGTERM drains and ends with 0; standard output stays the user's", async () => {
  const { child, ready, ended } = toy();
  await ready;
  child.kill("SIGTERM");
  const { how, out } = await ended;
  assert.equal(how, 0);
  assert.equal(out, `ready ${child.pid}\ndrained\n`);
});

test("a second signal ends a drain that hangs", async () => {
  const { child, ready, ended } = toy("--mode", "stuck");
  await ready;
  child.kill("SIGINT");
  await once(child.stdout as NonNullable<typeof child.stdout>, "data");
  // Within half a second it is the same Ctrl-C; later it is the second one.
  const again = setInterval(() => child.kill("SIGINT"), 100);
  assert.equal((await ended).how, 130);
  clearInterval(again);
});

test("a failed start is one line, without a stack, and exit code 1; wrong usage 2; help 0", async () => {
  const bad = await toy("--mode", "bad").ended;
  assert.deepEqual([bad.how, bad.out, bad.err], [1, "", "sheaf-toy: unexpected failure: a bug in two lines\n"]);
  const usage = await toy("--mod", "x").ended;
  assert.deepEqual([usage.how, usage.err.split("\n").length], [2, 2]);
  const help = await toy("--help").ended;
  assert.deepEqual([help.how, help.err], [0, ""]);
  assert.match(help.out, /--mode TEXT/);
});

test("a rejection that nobody handles is logged, and ends with 70", async () => {
  const { how, err } = await toy("--mode", "reject").ended;
  assert.equal(how, 70);
  assert.match(err, /unhandled rejection: nobody waits/);
});

test("it ends by itself when its parent is killed", async () => {
  const parentScript = join(folder, "parent.mjs");
  await writeFile(
    parentScript,
    `import { spawn } from "node:child_process";
     spawn(process.execPath, [${JSON.stringify(script)}, "--parent-pid", String(process.pid)], { stdio: ["ignore", 1, 2] });`,
  );
  const parent = spawn(process.execPath, [parentScript], { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(line.toString().split(" ")[1]);
  const begun = systemClock.now();
  parent.kill("SIGKILL");
  const lives = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  while (lives()) await systemClock.sleep(20);
  assert.ok(systemClock.now() - begun < 5_000);
});
