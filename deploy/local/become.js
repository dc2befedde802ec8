// Hands this process over to a program. Under a new Node it is replaced; an old Node cannot do that, so it stays as a go-between
// that passes signals down and the exit code up.
import { spawn } from "node:child_process";
import { constants } from "node:os";

const PASSED_ON = ["SIGINT", "SIGTERM", "SIGHUP"];
/** Ctrl-C reaches a program from the terminal, and again from npm: one of them is enough. */
const SAME_MS = 500;
const WATCH_PARENT_MS = 1000;

/** Runs `file` with `args` in `cwd` under `env`. Returns only by ending the process. */
export function become(file, args, { cwd, env }) {
  process.chdir(cwd);
  if (process.execve) process.execve(file, [file, ...args], env);
  const child = spawn(file, args, { env, stdio: "inherit" });
  const last = new Map();
  for (const signal of PASSED_ON)
    process.on(signal, () => {
      const now = performance.now();
      if (now - (last.get(signal) ?? Number.NEGATIVE_INFINITY) > SAME_MS) child.kill(signal);
      last.set(signal, now);
    });
  // npm that is killed cannot pass anything on: without this the program would live on unseen.
  const parent = process.ppid;
  const watch = () => process.ppid !== parent && child.kill("SIGTERM");
  if (process.env.npm_lifecycle_event) setInterval(watch, WATCH_PARENT_MS).unref();
  return new Promise((_, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (signal === null) process.exit(code);
      for (const name of PASSED_ON) process.removeAllListeners(name);
      process.kill(process.pid, signal);
      // A signal that does not end this process (it may be ignored) becomes the shell's number for it.
      setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
    });
  });
}
