/**
 * One life of a launcher (launcher.sh): writes to it, reads what it says. It knows one command at a time and has no opinion about
 * it; timeouts, kills and new lives are the slot's (slot.ts). How it comes to life is its carrier's (carrier.ts).
 *
 * What comes from the box is not to be trusted: where the launcher is in a container, its commands can write to every FIFO of it.
 * So lines are taken for what they are worth, and held to a length.
 */
import { chownSync } from "node:fs";
import { join } from "node:path";
import { type Clock, messageOf } from "@sheaf/runtime";
import { removeFolder } from "../scratch/remove.ts";
import type { User } from "../user/user.ts";
import type { Carrier } from "./carrier.ts";
import type { SlotCgroup } from "./cgroups.ts";
import { FifoReader, FifoWriter, makeFifos } from "./fifos.ts";
import { inlineScript } from "./inline.ts";
import { type Command, inlineLine, type Mode, pidsLine, runLine, seekLine, takeLine } from "./request.ts";

/** Longer lines are none of a launcher's. */
const LINE_CHARS_MAX = 4_096;

/** Why the shell could not start the command: nothing of that name, no right to run it, a folder is not there. */
const NOT_STARTED = ["", "missing", "denied", "no-folder", "no-working-dir"] as const;
export type NotStarted = (typeof NOT_STARTED)[number];

export type Answer = "hit" | "missed";

export type Stream = "stdout" | "stderr";

/** What a launcher tells. */
export type LauncherEvent =
  | { readonly kind: "exit"; readonly n: number; readonly status: number; readonly why: NotStarted }
  /** The order was carried out. Missed: there was nobody to signal. */
  | { readonly kind: "did"; readonly serial: number; readonly answer: Answer }
  | { readonly kind: "output"; readonly pair: number; readonly stream: Stream; readonly bytes: Buffer }
  /** `withAll`: what it ran was killed with it, by nobody here. Else nothing is known of that but that it is dead. */
  | { readonly kind: "lost"; readonly detail: string; readonly withAll: boolean };

export interface LauncherOptions {
  readonly carrier: Carrier;
  /** A folder of its own for the FIFOs; made here, and removed by `close`. */
  readonly box: string;
  /** Where it and its commands run; undefined: nothing limits them. */
  readonly cgroup: SlotCgroup | undefined;
  readonly clock: Clock;
  readonly onEvent: (event: LauncherEvent) => void;
}

/** The last script that the launcher was asked to evaluate itself. It depends on where `sh` is found as well. */
interface Offered {
  readonly n: number;
  readonly script: string;
  readonly seek: string;
  isTaken: boolean;
}

export class Launcher {
  /** Resolves to undefined when it is ready, or to what keeps it from that. */
  readonly ready: Promise<string | undefined>;
  mode: Mode = "group";
  readonly #options: LauncherOptions;
  readonly #requests: FifoWriter;
  readonly #control: FifoWriter;
  readonly #readers: readonly FifoReader[];
  readonly #settleReady: (problem: string | undefined) => void;
  readonly #ended = Promise.withResolvers<void>();
  #partial = "";
  #sought = "";
  #closed = false;
  #isReady = false;
  #orders = 0;
  #pids = "";
  #offered: Offered | undefined;
  #offers = 0;
  /** Whose each pair of streams is. */
  readonly #owners = [process.getuid?.(), process.getuid?.()];

  constructor(options: LauncherOptions) {
    this.#options = options;
    const { box, carrier, clock } = options;
    makeFifos(box);
    this.#requests = new FifoWriter(box, "requests", clock);
    this.#control = new FifoWriter(box, "control", clock);
    this.#readers = this.#openReaders();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.ready = promise;
    this.#settleReady = resolve;
    this.#requests.write(carrier.firstLines(box));
    carrier.start(box, (detail) => this.#onGone(detail, false));
    const ms = carrier.readyLimitMs;
    if (ms === undefined) return;
    const limit = clock.timer(ms, () => resolve(`not ready after ${ms} ms`));
    void promise.then(() => limit.cancel());
  }

  /** How well it contains commands. */
  get isolation(): string {
    return this.#options.carrier.name;
  }

  /** Resolves when nothing of it is alive, where its events tell. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Starts the command as number `n`; its streams arrive as those of `pair`. The one before it must have ended. */
  run(n: number, pair: number, command: Command): void {
    const seek = seekLine(command, this.#options.carrier.shell);
    const before = seek === this.#sought ? "" : seek;
    this.#sought = seek;
    this.point(command.datum ?? command.folder, command.inputs);
    if (!this.#giveStreams(pair, command.user)) return;
    const limit = this.#limit(command);
    if (limit === undefined) return;
    this.#requests.write(before + limit + this.#offer(command, seek) + this.#line(n, pair, command));
  }

  /** A command may open its own streams again, by /dev/stderr. False: the user could not reach its datum here. */
  #giveStreams(pair: number, user: User | undefined): boolean {
    const { box, carrier } = this.#options;
    if (user !== undefined && !carrier.canGive) {
      this.#loseSoon(`this launcher cannot run commands of another user: ${carrier.name}`);
      return false;
    }
    const [uid, gid] = [user?.uid ?? process.getuid?.(), user?.gid ?? process.getgid?.()];
    if (uid === undefined || gid === undefined || this.#owners[pair] === uid) return true;
    this.#owners[pair] = uid;
    for (const name of [`out${pair}`, `err${pair}`]) chownSync(join(box, name), uid, gid);
    return true;
  }

  /** Sets the limits of the command. Undefined: the kernel refuses; then it is not to run here. */
  #limit({ limits }: Command): string | undefined {
    const { cgroup } = this.#options;
    try {
      cgroup?.apply(limits);
    } catch (error) {
      this.#loseSoon(`resource_limits cannot be set: ${messageOf(error)}`);
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
    const { shell } = this.#options.carrier;
    return isOwn ? inlineLine(n, pair, command) : runLine(n, pair, command, this.mode, shell);
  }

  /** Until the launcher has said that it takes a script, another shell runs it. One that came with us is not the command's `sh`. */
  #offer(command: Command, seek: string): string {
    const script = this.#options.carrier.shell.isOwn ? inlineScript(command) : undefined;
    if (script === undefined || (this.#offered?.script === script && this.#offered.seek === seek)) return "";
    this.#offered = { n: this.#offers++, script, seek, isTaken: false };
    return takeLine(this.#offered.n, script);
  }

  /** /pfs, where there is one, is that of the datum in `folder` from now on. */
  point(folder: string, inputs: readonly string[]): void {
    this.#options.carrier.point(this.#options.box, folder, inputs);
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
    const { box, carrier } = this.#options;
    carrier.end(box, this.mode);
    this.#control.close();
    this.#requests.close();
    const [events, ...streams] = this.#readers;
    for (const reader of streams) reader.close();
    if (!carrier.endsEvents || !this.#isReady) this.#close(events);
    removeFolder(box);
  }

  #close(events: FifoReader | undefined): void {
    events?.close();
    this.#ended.resolve();
  }

  #openReaders(): readonly FifoReader[] {
    const { box, carrier } = this.#options;
    // A copy, which may be kept: what was read is the reader's own.
    const output = (pair: number, stream: Stream) => (bytes: Buffer) =>
      this.#tell({ kind: "output", pair, stream, bytes: Buffer.from(bytes) });
    return [
      new FifoReader(
        box,
        "events",
        (bytes) => this.#onEvents(bytes),
        carrier.endsEvents ? () => this.#onEnd() : undefined,
      ),
      new FifoReader(box, "out0", output(0, "stdout")),
      new FifoReader(box, "out1", output(1, "stdout")),
      new FifoReader(box, "err0", output(0, "stderr")),
      new FifoReader(box, "err1", output(1, "stderr")),
    ];
  }

  #onEvents(bytes: Buffer): void {
    const lines = (this.#partial + bytes.toString("latin1")).split("\n");
    this.#partial = (lines.pop() ?? "").slice(0, LINE_CHARS_MAX);
    for (const line of lines) this.#onLine(line.split(" "));
  }

  #onLine([what, first, second, third = ""]: readonly string[]): void {
    const number = Number(first);
    if (what === "ready") {
      if (this.#isReady) return;
      this.mode = first === "namespace" ? "namespace" : "group";
      this.#isReady = true;
      this.#settleReady(undefined);
    } else if (what === "exit") {
      const [status, why] = [Number(second), NOT_STARTED.find((each) => each === third)];
      if (isStatus(status) && why !== undefined) this.#tell({ kind: "exit", n: number, status, why });
    } else if (what === "took") {
      if (this.#offered?.n === number) this.#offered.isTaken = second === "yes";
    } else if (what === "did" && (second === "hit" || second === "missed")) {
      this.#tell({ kind: "did", serial: number, answer: second });
    }
  }

  /** The last process that had the events open is gone. */
  #onEnd(): void {
    this.#ended.resolve();
    this.#onGone("process 1 of the container has ended", true);
  }

  #onGone(detail: string, withAll: boolean): void {
    if (this.#isReady) this.#tell({ kind: "lost", detail, withAll });
    this.#settleReady(detail);
  }

  #loseSoon(detail: string): void {
    setImmediate(() => this.#tell({ kind: "lost", detail, withAll: false }));
  }

  #tell(event: LauncherEvent): void {
    if (!this.#closed) this.#options.onEvent(event);
  }
}

function isStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 0 && status <= 255;
}
