// A driver: a program in some language that does what it is told with that language's client. Lines of JSON in and out.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { isAbsolute, join } from "node:path";
import { createInterface } from "node:readline";

const ROOT = join(import.meta.dirname, "..", "..");
const DRIVERS = join(import.meta.dirname, "drivers");

export const LANGUAGES = ["typescript", "python", "go", "java"] as const;
export type Language = (typeof LANGUAGES)[number];

/** What an operation ended with. */
export type Outcome = { readonly ok: unknown } | { readonly error: Failure };
export interface Failure {
  readonly code: string;
  readonly reason: string;
  readonly fields: readonly string[];
  readonly message: string;
}

/** What `npm run test:clients` made: how each language's programs are run, or why they cannot be. */
interface Toolchains {
  readonly python: { readonly python: string; readonly cannot?: string };
  readonly go: { readonly driver: string; readonly cannot?: string };
  readonly java: { readonly classpath: string; readonly cannot?: string };
}

function toolchains(): Toolchains {
  const text = process.env["SHEAF_CLIENTS"];
  assert.ok(text, "SHEAF_CLIENTS must say what to run: `npm run test:clients` does");
  return JSON.parse(text);
}

/** Why a language is left out. */
export function cannotRun(language: Language): string | undefined {
  return language === "typescript" ? undefined : toolchains()[language].cannot;
}

/** The command that runs a program of a language: a path below this folder's `drivers`, or any other; of Go and Java the driver itself. */
export function commandOf(language: Language, program: string): { command: string[]; env: Record<string, string> } {
  const file = isAbsolute(program) ? program : join(DRIVERS, program);
  const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", LC_ALL: "C.UTF-8" };
  switch (language) {
    case "typescript":
      return { command: [process.execPath, file], env };
    case "python":
      return {
        command: [toolchains().python.python, file],
        env: { ...env, PYTHONPATH: join(ROOT, "libs", "clients", "python"), PYTHONDONTWRITEBYTECODE: "1" },
      };
    case "go":
      return { command: [toolchains().go.driver], env };
    case "java":
      // A class that is on the path already, or a file that Java compiles as it starts.
      return {
        command: ["java", "-Xmx512m", "-cp", toolchains().java.classpath, program.endsWith(".java") ? file : program],
        env,
      };
  }
}

const PROGRAMS: Record<Language, string> = {
  typescript: "driver.ts",
  python: "driver.py",
  go: "",
  java: "Driver",
};

/** One operation that was begun. */
export class Operation {
  readonly events: unknown[] = [];
  readonly outcome: Promise<Outcome>;
  readonly id: number;
  #end: (outcome: Outcome) => void = () => {};
  #said: () => void = () => {};

  constructor(id: number) {
    this.id = id;
    this.outcome = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  take(line: { event?: unknown; ok?: unknown; error?: Failure }): void {
    if (line.error !== undefined) this.#end({ error: line.error });
    else if ("ok" in line) this.#end({ ok: line.ok });
    else this.events.push(line.event);
    this.#said();
  }

  /** Resolves when it has said such an event; rejects when it ends without. */
  async until(isIt: (event: unknown) => boolean): Promise<void> {
    let outcome: Outcome | undefined;
    void this.outcome.then((ended) => {
      outcome = ended;
      this.#said();
    });
    while (!this.events.some(isIt)) {
      assert.equal(outcome, undefined, `it ended before it said so: ${JSON.stringify([outcome, this.events])}`);
      await new Promise<void>((resolve) => {
        this.#said = resolve;
      });
    }
  }
}

export class Driver {
  readonly language: Language;
  readonly #child: ChildProcess;
  readonly #operations = new Map<number, Operation>();
  #stderr = "";

  /** `more`: of its environment. */
  constructor(language: Language, more: Readonly<Record<string, string>> = {}) {
    this.language = language;
    const { command, env } = commandOf(language, PROGRAMS[language]);
    const [program = "", ...args] = command;
    this.#child = spawn(program, args, { env: { ...env, ...more }, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr?.on("data", (text) => {
      this.#stderr += text;
    });
    this.#child.once("exit", (code, signal) => {
      const message = `the driver ended with ${code ?? signal}: ${this.#stderr}`;
      const error = { code: "DRIVER_ENDED", reason: "", fields: [], message };
      for (const operation of this.#operations.values()) operation.take({ error });
    });
    const lines = this.#child.stdout && createInterface({ input: this.#child.stdout });
    lines?.on("line", (line) => {
      const { id, ...said } = JSON.parse(line);
      this.#operations.get(id)?.take(said);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  begin(step: object): Operation {
    const operation = new Operation(this.#operations.size + 1);
    this.#operations.set(operation.id, operation);
    this.#write({ id: operation.id, ...step });
    return operation;
  }

  cancel(operation: Operation): void {
    this.#write({ op: "cancel", target: operation.id });
  }

  /** Ends the program, and gives what it wrote to standard error. */
  async end(): Promise<string> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const over = new Promise((resolve) => this.#child.once("close", resolve));
      this.#child.stdin?.end();
      await over;
    }
    return this.#stderr;
  }

  #write(line: object): void {
    this.#child.stdin?.write(`${JSON.stringify(line)}\n`);
  }
}
