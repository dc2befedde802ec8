/**
 * Launchers in a container beside the worker: process 1 of it (pid1.sh) waits at a FIFO, its door, and becomes a launcher for the folder
 * that comes through. Nothing can be signalled from here.
 *
 * C1. The container may die and be started again at any time, or be started late. Its end is read as the end of `events`, which nobody
 *     else has open for writing; its start is waited for without limit.
 * C2. A life ends when its FIFOs are closed: then its killer ends all that runs, and process 1 goes back to its door. The next life
 *     is not begun before that was seen. A command can have killed the killer, and then nothing from here reaches it: this worker
 *     has to go, and its pod with it.
 * C3. A life that was called may never come: process 1 can die between reading the call and opening `events`. So it is called again
 *     from time to time. A call for a life that is over is passed by.
 */
import { join } from "node:path";
import type { Clock, Logger } from "@sheaf/runtime";
import type { Carrier, Carriers, Launched } from "./carrier.ts";
import { FifoWriter } from "./fifos.ts";
import { Launcher, type LauncherOptions } from "./launcher.ts";
import { PfsMount } from "./pfs-mount.ts";
import { quote } from "./quote.ts";
import type { Shell } from "./request.ts";

/** How long a life may take to end after SIGKILL to all that it ran. */
const END_LIMIT_MS = 10_000;
/** How often a launcher that is waited for is called, and told of. */
const CALL_MS = 60_000;
/** Between two calls when a container died in its beginning. */
const AGAIN_MS = 500;

/** How well a container contains commands; for the log. */
export const IN_CONTAINER = "container of its own, with /pfs";

export interface ContainerOptions {
  /** That the container mounts, under the same path. */
  readonly volume: string;
  readonly slot: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export class ContainerCarriers implements Carriers {
  readonly #options: ContainerOptions;
  readonly #door: FifoWriter;
  readonly #pfs: PfsMount;
  /** The end of the life before. */
  #before: Promise<void> = Promise.resolve();

  /** Throws when the volume is not prepared. */
  constructor(options: ContainerOptions) {
    const { volume, slot, clock } = options;
    this.#options = options;
    this.#door = new FifoWriter(join(volume, "control", "doors"), String(slot), clock);
    this.#pfs = new PfsMount(join(volume, "control", "pfs", String(slot)));
  }

  async launch(options: Omit<LauncherOptions, "carrier">): Promise<Launched> {
    const { slot, clock } = this.#options;
    if (!(await this.#hasEnded())) {
      const detail = `the container of slot ${slot} has not ended its commands ${END_LIMIT_MS} ms after it was told to: a command may have killed what does that; the worker has to end, so that its pod is replaced`;
      return { ok: false, detail, isFinal: true };
    }
    const carrier = new ContainerCarrier(this.#options.volume, this.#door, this.#pfs);
    const launcher = new Launcher({ ...options, carrier });
    const over = new AbortController();
    void this.#callAgain(() => carrier.start(options.box), over.signal);
    const problem = await launcher.ready;
    over.abort();
    this.#before = launcher.ended;
    if (problem === undefined && launcher.mode === "namespace") return { ok: true, launcher };
    launcher.close();
    if (problem === undefined) {
      const detail = `the shell of slot ${slot} is not process 1 of its container: the pod must not share its process namespace`;
      return { ok: false, detail, isFinal: true };
    }
    await clock.sleep(AGAIN_MS);
    return { ok: false, detail: problem, isFinal: false };
  }

  close(): void {
    this.#door.close();
    this.#pfs.close();
  }

  /** C2. */
  async #hasEnded(): Promise<boolean> {
    const over = new AbortController();
    const late = this.#options.clock.sleep(END_LIMIT_MS, over.signal).then(
      () => false,
      () => true,
    );
    const has = await Promise.race([this.#before.then(() => true), late]);
    over.abort();
    return has;
  }

  /** C3. */
  async #callAgain(call: () => void, signal: AbortSignal): Promise<void> {
    const { clock, log, slot } = this.#options;
    for (let waits = 1; ; waits++) {
      await clock.sleep(CALL_MS, signal).catch(() => {});
      if (signal.aborted) return;
      const seconds = (waits * CALL_MS) / 1_000;
      log.info({ slot, seconds }, "waiting for the container of a slot to start: its image may still be on its way");
      call();
    }
  }
}

class ContainerCarrier implements Carrier {
  readonly name = IN_CONTAINER;
  readonly canGive = false;
  readonly shell: Shell = { isOwn: false, path: undefined };
  readonly endsEvents = true;
  readonly readyLimitMs = undefined;
  readonly #volume: string;
  readonly #door: FifoWriter;
  readonly #pfs: PfsMount;

  constructor(volume: string, door: FifoWriter, pfs: PfsMount) {
    this.#volume = volume;
    this.#door = door;
    this.#pfs = pfs;
  }

  /** The first is to be read by pid1.sh, the second closes what it opened. One write: both are there, or none. */
  firstLines(box: string): string {
    const script = join(this.#volume, "bin", "launcher.sh");
    return `here\nexec 3>&-; l_box=${quote(box)}; . ${quote(script)}\n`;
  }

  start(box: string): void {
    this.#door.write(`${box}\n`);
  }

  point(_box: string, folder: string, inputs: readonly string[]): void {
    this.#pfs.point(folder, inputs);
  }

  end(): void {}
}
