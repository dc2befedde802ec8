/**
 * The `main` of every service: help, settings, log, start; then SIGTERM or SIGINT drains and stops.
 *
 * E1. One line on standard error says why it did not start; no stack trace unless SHEAF_LOG_LEVEL=debug.
 * E2. The exit code says what to do: 0 asked to stop, 2 wrong usage, 3 somebody cannot be reached,
 *     1 anything else, 70 a bug (unhandled rejection or exception).
 * E3. A stop is bounded: a second signal (half a second or more after the first), or the drain deadline and 5 s, end the process at once.
 * E4. Without its parent it ends: quickly, without a drain, because those it would hand over to die as well.
 */

import { type Clock, systemClock, type Timer } from "./clock.ts";
import { keepCompiled } from "./compiled.ts";
import { type Definitions, defineSettings, readSettings, type SettingsOf, wantsHelp } from "./config.ts";
import { messageOf, type SheafError, toSheafError } from "./errors.ts";
import { helpText } from "./help.ts";
import { type Component, Lifecycle } from "./lifecycle.ts";
import { createLogger, type Logger } from "./log.ts";
import { watchParent } from "./parent.ts";

/** How long a stop may take after the drain, in milliseconds. */
const STOP_LIMIT_MS = 5_000;

/** Ctrl-C reaches a program from the terminal, and again from npm or from who started it: that is one signal. */
const SAME_SIGNAL_MS = 500;

/** The longest that a timer can wait: three weeks. */
const FOREVER_MS = 2 ** 31 - 1;

const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, bug: 70 } as const;

const OWN_SETTINGS = defineSettings({
  drainTimeout: {
    flag: "drain-timeout",
    env: "SHEAF_DRAIN_TIMEOUT",
    type: "duration",
    default: "30s",
    help: "How long a drain may take after SIGTERM before the service stops anyway.",
  },
  parentPid: {
    flag: "parent-pid",
    env: "SHEAF_PARENT_PID",
    type: "int",
    min: 1,
    help: "End when the parent process is no longer the one with this id.",
  },
});

export interface ServiceContext {
  readonly log: Logger;
  readonly clock: Clock;
  /** A part cannot go on (it lost what it needs for good): drain, stop, and exit as for an error in start. */
  readonly fail: (error: unknown) => void;
  /** It has nothing left to do: drain, stop, and exit as after a signal. Harmless when it is being stopped. */
  readonly finish: () => void;
}

export interface ServiceSpec<D extends Definitions> {
  /** `master`: the log's component, and the first word of the error line. */
  readonly name: string;
  readonly summary: string;
  /** Arguments of a call that works. */
  readonly example: string;
  readonly settings: D;
  /** Makes the parts, in the order of their start. It must not start anything. */
  readonly build: (
    settings: SettingsOf<D>,
    context: ServiceContext,
  ) => readonly Component[] | Promise<readonly Component[]>;
}

export type ProcessEvent = "SIGTERM" | "SIGINT" | "unhandledRejection" | "uncaughtException";

/** What a service needs of its process; tests give their own. */
export interface ProcessHost {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly ppid: () => number;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly on: (event: ProcessEvent, fn: (value: unknown) => void) => void;
  readonly exit: (code: number) => void;
  readonly clock: Clock;
}

const realHost: ProcessHost = {
  argv: process.argv.slice(2),
  env: process.env,
  ppid: () => process.ppid,
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  on: (event, fn) => process.on(event, fn),
  exit: (code) => process.exit(code),
  clock: systemClock,
};

/** Runs the service until it is told to stop. Ends the process; the promise resolves just before. */
export async function runService<D extends Definitions>(
  spec: ServiceSpec<D>,
  host: ProcessHost = realHost,
): Promise<void> {
  const definitions = { ...spec.settings, ...OWN_SETTINGS };
  if (wantsHelp(host.argv)) {
    host.stdout(helpText({ ...spec, name: `sheaf-${spec.name}` }, definitions));
    return host.exit(EXIT.ok);
  }
  try {
    const settings = readSettings(definitions, host.argv, host.env);
    const log = createLogger({ component: spec.name, env: host.env });
    await new Service(spec, settings as SettingsOf<D> & SettingsOf<typeof OWN_SETTINGS>, log, host).run();
  } catch (error) {
    reportFailure(spec.name, error, host);
  }
}

class Service<D extends Definitions> {
  readonly #spec: ServiceSpec<D>;
  readonly #settings: SettingsOf<D> & SettingsOf<typeof OWN_SETTINGS>;
  readonly #log: Logger;
  readonly #host: ProcessHost;
  readonly #ended = Promise.withResolvers<number>();
  #lifecycle: Lifecycle | undefined;
  #stopAsked = false;
  /** Clock time of the signal that asked for the stop. */
  #signalledAt = Number.NEGATIVE_INFINITY;
  #failure: unknown;

  constructor(
    spec: ServiceSpec<D>,
    settings: SettingsOf<D> & SettingsOf<typeof OWN_SETTINGS>,
    log: Logger,
    host: ProcessHost,
  ) {
    this.#spec = spec;
    this.#settings = settings;
    this.#log = log;
    this.#host = host;
  }

  /** Resolves when the service has stopped and the process was told to exit. Throws what kept it from starting. */
  async run(): Promise<void> {
    this.#listen();
    const parent = this.#settings.parentPid === undefined ? undefined : this.#watchParent(this.#settings.parentPid);
    // Node ends a process in which nothing is open.
    const kept = this.#host.clock.timer(FOREVER_MS, () => {});
    try {
      await this.#start();
      const code = await this.#ended.promise;
      if (this.#failure !== undefined) throw this.#failure;
      this.#host.exit(code);
    } finally {
      kept.cancel();
      parent?.cancel();
    }
  }

  async #start(): Promise<void> {
    const context = {
      log: this.#log,
      clock: this.#host.clock,
      fail: (error: unknown) => this.#fail(error),
      finish: () => void this.#shutDown(this.#settings.drainTimeout, EXIT.ok),
    };
    const building = Promise.resolve(this.#spec.build(this.#settings, context));
    // It may wait for others, and nothing of it runs yet that a stop would have to wait for.
    const parts = await Promise.race([building, this.#ended.promise.then(() => undefined)]);
    if (parts === undefined || this.#stopAsked) {
      building.catch((error) => this.#log.debug({ err: error }, "told to stop before it was made"));
      return this.#ended.resolve(EXIT.ok);
    }
    this.#lifecycle = new Lifecycle(parts);
    try {
      await this.#lifecycle.start();
      this.#log.debug("started");
      keepCompiled();
    } catch (error) {
      // Told to stop while it started: that is no failure.
      if (!this.#stopAsked) throw error;
    }
  }

  #listen(): void {
    const host = this.#host;
    host.on("SIGTERM", () => this.#onSignal("SIGTERM", 143));
    host.on("SIGINT", () => this.#onSignal("SIGINT", 130));
    host.on("unhandledRejection", (error) => this.#bug("unhandled rejection", error));
    host.on("uncaughtException", (error) => this.#bug("uncaught exception", error));
  }

  #onSignal(name: string, code: number): void {
    const now = this.#host.clock.now();
    if (this.#stopAsked && now - this.#signalledAt < SAME_SIGNAL_MS) return;
    if (this.#stopAsked) return this.#host.exit(code); // E3
    this.#signalledAt = now;
    this.#log.info({ signal: name }, "told to stop: draining");
    void this.#shutDown(this.#settings.drainTimeout, EXIT.ok);
  }

  #watchParent(pid: number): Timer {
    return watchParent(pid, this.#host.ppid, this.#host.clock, () => {
      this.#log.warn({ parentPid: pid }, "the parent process is gone: stopping");
      void this.#shutDown(0, EXIT.failed); // E4
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    void this.#shutDown(this.#settings.drainTimeout, EXIT.failed);
  }

  /** Drains for at most `drainMs`, stops, and ends. */
  async #shutDown(drainMs: number, code: number): Promise<void> {
    if (this.#stopAsked) return;
    this.#stopAsked = true;
    const { clock } = this.#host;
    const limit = clock.timer(drainMs + STOP_LIMIT_MS, () => {
      this.#log.error({ afterMs: drainMs + STOP_LIMIT_MS }, "did not stop in time: ending at once");
      this.#host.exit(EXIT.failed); // E3
    });
    try {
      if (drainMs > 0) await this.#drain(drainMs);
      await this.#lifecycle?.stop();
    } catch (error) {
      this.#log.error({ err: error }, "did not stop cleanly");
    } finally {
      limit.cancel();
      this.#ended.resolve(code);
    }
  }

  async #drain(drainMs: number): Promise<void> {
    const { clock } = this.#host;
    const over = new AbortController();
    const timeout = clock.sleep(drainMs, over.signal).catch(() => {});
    try {
      await Promise.race([this.#lifecycle?.drain(clock.now() + drainMs), timeout]);
    } catch (error) {
      this.#log.warn({ err: error }, "did not drain cleanly");
    } finally {
      over.abort();
    }
  }

  #bug(what: string, error: unknown): void {
    this.#log.fatal({ err: error }, `${what}: ${messageOf(error)}`);
    this.#host.exit(EXIT.bug);
  }
}

/** E1 and E2. */
function reportFailure(name: string, thrown: unknown, host: ProcessHost): void {
  const error = toSheafError(thrown);
  host.stderr(`sheaf-${name}: ${messageOf(error)}\n`);
  if (host.env.SHEAF_LOG_LEVEL === "debug" || host.env.SHEAF_LOG_LEVEL === "trace") {
    host.stderr(`${inspectable(error)}\n`);
  }
  host.exit(exitCodeOf(error));
}

function inspectable(error: SheafError): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : "";
  return `${error.stack}${cause}`;
}

/** The documented exit code for an error that ends a program. */
export function exitCodeOf(error: SheafError): number {
  if (error.code === "INVALID_ARGUMENT") return EXIT.usage;
  return error.code === "UNAVAILABLE" ? EXIT.unreachable : EXIT.failed;
}
