/**
 * One life of a launcher (launcher.sh): starts it, writes to it, reads what it says. It knows one command at a time and has
 * no opinion about it; timeouts, kills and new lives are the slot's (slot.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Clock, messageOf } from "@sheaf/runtime";
import type { User } from "../user/user.ts";
import type { SlotCgroup } from "./cgroups.ts";
import { FifoReader, FifoWriter, makeFifos } from "./fifos.ts";
import { inlineScript } from "./inline.ts";
import { type Isolation, isolations } from "./isolation.ts";
import { PFS_FOLDER, pointPfs } from "./pfs-link.ts";
import { quote } from "./quote.ts";
import { type Command, inlineLine, type Mode, pidsLine, runLine, seekLine, takeLine } from "./request.ts";

const SCRIPT = join(import.meta.dirname, "launcher.sh");
/** How long a launcher may take to say that it is ready. */
const READY_LIMIT_MS = 10_000;
/** What is kept of a launcher's own standard error, for the message about its death. */
const STDERR_KEPT = 2_048;

/** Why the shell could not start the command: nothing of that name, no right to run it, a folder is not there. */
export type NotStarted = "" | "missing" | "denied" | "no-folder" | "no-working-dir";

export type Answer = "hit" | "missed";

export type Stream = "stdout" | "stderr";

/** What a launcher tells. */
export type LauncherEvent =
  | { readonly kind: "exit"; readonly n: number; readonly status: number; readonly why: NotStarted }
  /** The order was carried out. Missed: there was nobody to signal. */
  | { readonly kind: "did"; readonly serial: number; readonly answer: Answer }
  | { readonly kind: "output"; readonly pair: number; readonly stream: Stream; readonly bytes: Buffer }
  | { readonly kind: "lost"; readonly detail: string };

export interface LauncherOptions {
  /** A folder of its own for the FIFOs; removed by `close`. */
  readonly box: string;
  /** The root of the folders of commands that run as another user. */
  readonly given: string;
  /** Its whole environment, and that of the commands. */
  readonly env: Readonly<Record<string, string>>;
  /** Where it and its commands run; undefined: nothing limits them. */
  readonly cgroup: SlotCgroup | undefined;
  readonly clock: Clock;
  readonly onEvent: (event: LauncherEvent) => void;
}

/** Starts a launcher in the first way that works here. Throws when none does. */
export async function startLauncher(options: LauncherOptions, isRoot: boolean, from = 0): Promise<Launcher> {
  const ways = isolations(options.box, options.given, isRoot);
  const problems: string[] = [];
  for (let way = from; way < ways.length; way++) {
    const isolation = ways[way] as Isolation;
    const launcher = new Launcher(options, isolation, way);
    const problem = await launcher.ready;
    if (problem === undefined) return launcher;
    launcher.close();
    problems.push(`${isolation.name}: ${problem}`);
  }
  throw new Error(`no shell can be started to run commands (${problems.join("; ")})`);
}

/** The last script that the launcher was asked to evaluate itself. It depends on where `sh` is found as well. */
interface Offered {
  readonly n: number;
  readonly script: string;
  readonly seek: string;
  isTaken: boolean;
}

export class Launcher {
  readonly isolation: Isolation;
  /** Its place among the ways to start one. */
  readonly way: number;
  /** Resolves to undefined when it is ready, or to what keeps it from that. */
  readonly ready: Promise<string | undefined>;
  mode: Mode = "group";
  readonly #options: LauncherOptions;
  readonly #child: ChildProcess;
  readonly #requests: FifoWriter;
  readonly #control: FifoWriter;
  readonly #readers: readonly FifoReader[];
  readonly #settleReady: (problem: string | undefined) => void;
  #partial = "";
  #stderr = "";
  #sought = "";
  #closed = false;
  #isReady = false;
  #orders = 0;
  #pids = "";
  #offered: Offered | undefined;
  #offers = 0;
  /** Whose each pair of streams is. */
  readonly #owners = [process.getuid?.(), process.getuid?.()];

  constructor(options: LauncherOptions, isolation: Isolation, way: number) {
    this.#options = options;
    this.isolation = isolation;
    this.way = way;
    makeFifos(options.box);
    mkdirSync(join(options.box, PFS_FOLDER), { mode: 0o755 });
    this.#requests = new FifoWriter(options.box, "requests", options.clock);
    this.#control = new FifoWriter(options.box, "control", options.clock);
    this.#readers = this.#openReaders();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.ready = promise;
    this.#settleReady = resolve;
    this.#child = this.#spawn();
    const limit = options.clock.timer(READY_LIMIT_MS, () => resolve(`not ready after ${READY_LIMIT_MS} ms`));
    void promise.then(() => limit.cancel());
    this.#requests.write(`l_box=${quote(options.box)}; . ${quote(SCRIPT)}\n`);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Starts the command as number `n`; its streams arrive as those of `pair`. The one before it must have ended. */
  run(n: number, pair: number, command: Command): void {
    const seek = seekLine(command.argv[0] ?? "", command.env.get("PATH") ?? this.#options.env.PATH ?? "");
    const before = seek === this.#sought ? "" : seek;
    this.#sought = seek;
    this.point(command.datum ?? command.folder);
    if (!this.#giveStreams(pair, command.user)) return;
    const limit = this.#limit(command);
    if (limit === undefined) return;
    this.#requests.write(before + limit + this.#offer(command, seek) + this.#line(n, pair, command));
  }

  /** A command may open its own streams again, by /dev/stderr. False: the user could not reach its datum here. */
  #giveStreams(pair: number, user: User | undefined): boolean {
    if (user !== undefined && !this.isolation.hasPfs) {
      const detail = `this launcher cannot run commands of another user: ${this.isolation.name}`;
      setImmediate(() => this.#tell({ kind: "lost", detail }));
      return false;
    }
    const [uid, gid] = [user?.uid ?? process.getuid?.(), user?.gid ?? process.getgid?.()];
    if (uid === undefined || gid === undefined || this.#owners[pair] === uid) return true;
    this.#owners[pair] = uid;
    for (const name of [`out${pair}`, `err${pair}`]) chownSync(join(this.#options.box, name), uid, gid);
    return true;
  }

  /** Sets the limits of the command. Undefined: the kernel refuses; then it is not to run here. */
  #limit({ limits }: Command): string | undefined {
    const { cgroup } = this.#options;
    try {
      cgroup?.apply(limits);
    } catch (error) {
      const detail = `resource_limits cannot be set: ${messageOf(error)}`;
      setImmediate(() => this.#tell({ kind: "lost", detail }));
      return undefined;
    }
    const pids = cgroup?.pidsLimit(limits);
    const line = pids === undefined ? "" : pidsLine(pids);
    if (line === this.#pids) return "";
    this.#pids = line;
    return line;
  }

  #line(n: number, pair: number, command: Command): string {
    const isOwn = this.#offered?.isTaken === true && this.#offered.script === inlineScript(command);
    return isOwn ? inlineLine(n, pair, command) : runLine(n, pair, command, this.mode);
  }

  /** Until the launcher has said that it takes a script, another shell runs it. */
  #offer(command: Command, seek: string): string {
    const script = inlineScript(command);
    if (script === undefined || (this.#offered?.script === script && this.#offered.seek === seek)) return "";
    this.#offered = { n: this.#offers++, script, seek, isTaken: false };
    return takeLine(this.#offered.n, script);
  }

  /** /pfs, where there is one, is that of the datum in `folder` from now on. */
  point(folder: string): void {
    if (this.isolation.hasPfs) pointPfs(this.#options.box, folder);
  }

  /** Signals all that runs. A "did" with the number that this returns confirms it, and all orders before it. */
  order(order: "term" | "kill"): number {
    const serial = this.#orders++;
    this.#control.write(`${order} ${serial}\n`);
    return serial;
  }

  /** Ends it and all that it runs, and removes its folder. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#settleReady("closed");
    this.#killAll();
    this.#control.close();
    this.#requests.close();
    for (const reader of this.#readers) reader.close();
    // Nothing that it may have left behind keeps this process from ending.
    this.#child.stderr?.destroy();
    this.#child.unref();
    // What has just been killed may still end a system call that creates a file here: then the removal starts over.
    rmSync(this.#options.box, { recursive: true, force: true, maxRetries: 10, retryDelay: 1 });
  }

  /**
   * The launcher's own group first: with it dies a command that has not begun. One that has begun died with process 1 of its
   * namespace, or is in the group that the file names (launcher.sh).
   */
  #killAll(): void {
    if (this.#child.pid !== undefined) killGroup(this.#child.pid);
    const file = join(this.#options.box, "group");
    if (this.mode === "group" && existsSync(file)) killGroup(Number(readFileSync(file, "utf8")));
  }

  #spawn(): ChildProcess {
    const { argv } = this.isolation;
    const [file, ...args] = this.#options.cgroup?.enter(argv) ?? argv;
    // A session of its own: Ctrl-C in the user's terminal is for the worker, which then drains.
    const child = spawn(file as string, args, {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
      env: this.#options.env,
      cwd: "/",
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    child.on("error", (error) => this.#onGone(error.message));
    child.on("close", (code, signal) =>
      this.#onGone(`it ended with ${signal ?? `exit code ${code}`}: ${this.#stderr.trim()}`),
    );
    return child;
  }

  #openReaders(): readonly FifoReader[] {
    const { box } = this.#options;
    const output = (pair: number, stream: Stream) => (bytes: Buffer) =>
      this.#tell({ kind: "output", pair, stream, bytes });
    return [
      new FifoReader(box, "events", (bytes) => this.#onEvents(bytes)),
      new FifoReader(box, "out0", output(0, "stdout")),
      new FifoReader(box, "out1", output(1, "stdout")),
      new FifoReader(box, "err0", output(0, "stderr")),
      new FifoReader(box, "err1", output(1, "stderr")),
    ];
  }

  #onEvents(bytes: Buffer): void {
    const lines = (this.#partial + bytes.toString("latin1")).split("\n");
    this.#partial = lines.pop() ?? "";
    for (const line of lines) this.#onLine(line.split(" "));
  }

  #onLine([what, first, second, third]: readonly string[]): void {
    if (what === "ready") {
      this.mode = first === "namespace" ? "namespace" : "group";
      this.#isReady = true;
      this.#settleReady(undefined);
    } else if (what === "exit") {
      this.#tell({ kind: "exit", n: Number(first), status: Number(second), why: (third ?? "") as NotStarted });
    } else if (what === "took") {
      if (this.#offered?.n === Number(first)) this.#offered.isTaken = second === "yes";
    } else if (what === "did" && (second === "hit" || second === "missed")) {
      this.#tell({ kind: "did", serial: Number(first), answer: second });
    }
  }

  #onGone(detail: string): void {
    if (this.#isReady) this.#tell({ kind: "lost", detail });
    this.#settleReady(detail);
  }

  #tell(event: LauncherEvent): void {
    if (!this.#closed) this.#options.onEvent(event);
  }
}

function killGroup(group: number): void {
  // Never 0 or 1: they stand for far too many processes.
  if (!Number.isInteger(group) || group <= 1) return;
  try {
    process.kill(-group, "SIGKILL");
  } catch (error) {
    // It has ended.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
