/** A service of Sheaf as a child process: it says `{"ready":true,...}` on standard output when it serves. */
import { createInterface } from "node:readline";
import { failedPrecondition, invalidArgument, type SheafError, unavailable } from "@sheaf/runtime";
import { type Child, type ChildOptions, describeExit, startChild } from "./child.ts";

/** Exit code of a service whose settings are wrong: of those, the store's address comes from the user. */
const WRONG_USAGE = 2;

export interface StartServiceOptions extends ChildOptions {
  /** Milliseconds from the start until it must be ready. Default 30,000. */
  readonly readyMs?: number;
}

export interface ServiceProcess {
  readonly child: Child;
  /** What it said when it was ready. Rejects when it ends before, or takes too long; then it is stopped. */
  readonly ready: Promise<ServiceReady>;
}

export interface ServiceReady {
  /** "host:port", or empty when it said none. */
  readonly address: string;
}

export async function startService(options: StartServiceOptions): Promise<ServiceProcess> {
  const child = await startChild(options);
  const ready = becomeReady(child, options);
  ready.catch(() => {}); // whoever starts several looks at them later
  return { child, ready };
}

async function becomeReady(child: Child, { clock, readyMs = 30_000 }: StartServiceOptions): Promise<ServiceReady> {
  const timeout = new AbortController();
  const tooLong = clock.sleep(readyMs, timeout.signal).then(async () => {
    throw await notReady(child, `it was not ready within ${readyMs / 1000} s`);
  });
  tooLong.catch(() => {});
  const exited = child.exited.then(async (exit) => {
    throw await notReady(child, `it ended with ${describeExit(exit)}`, exit.code);
  });
  exited.catch(() => {});
  try {
    return await Promise.race([firstWords(child), exited, tooLong]);
  } catch (error) {
    await child.stop(1_000);
    throw error;
  } finally {
    timeout.abort();
  }
}

function firstWords(child: Child): Promise<ServiceReady> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on("line", (line) => {
      const ready = parseReady(line);
      if (ready !== undefined) resolve(ready); // goes on reading: a full pipe would hold the service
    });
  });
}

function parseReady(line: string): ServiceReady | undefined {
  try {
    const said: unknown = JSON.parse(line);
    if (typeof said !== "object" || said === null || !("ready" in said) || said.ready !== true) return undefined;
    return { address: "address" in said ? String(said.address) : "" };
  } catch {
    return undefined;
  }
}

/** A service says in one line of its own why it cannot start: `sheaf-master: cannot ...`. */
async function notReady(child: Child, what: string, exitCode?: number): Promise<SheafError> {
  const tail = (await child.logTail()).trim().split("\n");
  const prefix = `sheaf-${child.name}: `;
  const own = tail.findLast((line) => line.startsWith(prefix))?.slice(prefix.length);
  const detail = own ?? `${what}; the end of ${child.logFile}: ${tail.at(-1) || "(empty)"}`;
  if (own !== undefined && /is in use/.test(own)) return failedPrecondition("PORT_IN_USE", own);
  if (own !== undefined && exitCode === WRONG_USAGE)
    return invalidArgument("SETTING_INVALID", `${child.name} did not start: ${own}`);
  return unavailable("SERVICE_NOT_STARTED", `${child.name} did not start: ${detail}`);
}
