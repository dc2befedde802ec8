// How the results of a test file read: each failure as it happens, and `N passed, N failed` at the very end. `npm test` runs every file
// by itself and adds up, so there the totals go to descriptor 3 instead.
//
// A file that has ended all its tests and is still alive has left something open (a port, a timer): that is a failure, and says what.
import { writeSync } from "node:fs";
import { relative } from "node:path";
import type { EventData } from "node:test";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

const LINGER_MS = 10_000;

// Node 24 was seen to spin for ever in its own clean-up, after the exit event, when all was said and nothing was open any more
// (Environment::CleanupHandles waits for a request that is never given back). Exiting from here leaves that clean-up out.
process.once("exit", (code) => process.exit(code));

interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}
// `failed` is in what node sends and not yet in its types.
type Counts = EventData.TestSummary["counts"] & { failed: number };

// The test runner takes a reporter from the default export.
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const path: string[] = []; // The names from the outermost suite to the test at hand.
  const open = new OpenTests();
  let skippedSuites = 0; // Node counts their tests nowhere.
  for await (const { type, data } of events) {
    switch (type) {
      case "test:enqueue":
        open.began();
        break;
      case "test:complete":
        open.ended(data);
        break;
      case "test:pass":
        if (data.skip !== undefined && data.details.type === "suite") skippedSuites++;
        break;
      case "test:start":
        path.splice(data.nesting, path.length, data.name);
        break;
      case "test:stdout":
      case "test:stderr":
        yield data.message;
        break;
      case "test:fail":
        if (!onlyBecauseOfAChild(data)) yield failure(data, [...path.slice(0, data.nesting), data.name]);
        break;
      case "test:summary":
        open.close();
        if (data.file === undefined || !isParent()) yield closing(totalsOf(data.counts as Counts, skippedSuites));
        break;
    }
  }
}

/** Knows when the last test has ended, and whether the process goes on living all the same. */
class OpenTests {
  #running = 0;
  #passed = 0;
  #failed = 0;
  #timer: NodeJS.Timeout | undefined;

  began(): void {
    this.#running++;
    clearTimeout(this.#timer);
  }

  ended({ details }: EventData.TestComplete): void {
    this.#running--;
    if (details.passed) this.#passed++;
    else this.#failed++;
    clearTimeout(this.#timer);
    // Under `node --test` the tests live in other processes, and what is open there cannot be seen from here.
    if (this.#running === 0 && !isParent()) this.#timer = setTimeout(() => this.#lingers(), LINGER_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #lingers(): void {
    const what = process.getActiveResourcesInfo().filter((name) => !/^(TTYWrap|PipeWrap)$/.test(name));
    const line = `FAIL  still alive ${LINGER_MS / 1000} s after its last test; open: ${[...new Set(what)].join(", ")}`;
    writeSync(1, `\n${line}\n${closing({ passed: this.#passed, failed: this.#failed + 1, skipped: 0 })}`);
    process.exit(1);
  }
}

/** Where the totals go: to who asked for them, or to the end of the output. */
function closing(totals: Totals): string {
  if (process.env["SHEAF_TEST_TOTALS"] !== "fd3")
    return `${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ""}\n`;
  writeSync(3, JSON.stringify(totals));
  return "";
}

function totalsOf({ passed, failed, cancelled, skipped, todo }: Counts, skippedSuites: number): Totals {
  // A test that was cut off (its suite timed out) did not pass either.
  return { passed, failed: failed + cancelled, skipped: skipped + todo + skippedSuites };
}

/** Whether this is the process that `node --test` is, which starts others and sums up. */
function isParent(): boolean {
  return process.execArgv.includes("--test") && !process.execArgv.includes("--test-isolation=none");
}

/** A suite fails when a test in it does. The test was reported already. */
function onlyBecauseOfAChild(data: EventData.TestFail): boolean {
  return (data.details.error as { failureType?: string }).failureType === "subtestsFailed";
}

function failure(data: EventData.TestFail, names: string[]): string {
  const at = data.file === undefined ? "" : `${relative(process.cwd(), data.file)}:${data.line ?? 1}`;
  const text = `${at}\n${cause(data.details.error)}`.trimEnd();
  return `\nFAIL  ${names.join(" > ")}\n${text.replaceAll(/^/gm, "    ")}\n`;
}

function cause(error: Error & { cause?: unknown }): string {
  const root = error.cause ?? error;
  const text = root instanceof Error ? (root.stack ?? root.message) : inspect(root, { depth: 5 });
  // The frames of node's own runner tell nothing about the fault.
  return text
    .split("\n")
    .filter((line) => !/^\s+at .*\(?node:/.test(line))
    .join("\n");
}
