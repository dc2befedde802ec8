/**
 * The main thread of a worker: two sessions, the desk between them, and the engine's thread behind it. It stays light, so
 * that beats are never late.
 *
 *     master  <-- session --+                 +--> plan, process, merge
 *                           +-- desk == engine
 *     merge   <-- session --+    (this thread | its own thread)
 */
import type { Worker as Thread } from "node:worker_threads";
import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import {
  backoff,
  type Clock,
  type Component,
  internal,
  type Logger,
  type Random,
  SheafError,
  VERSION,
} from "@sheaf/runtime";
import type { Assigned, Owner } from "./claims/terms.ts";
import type { EngineData, FromEngine, ToEngine } from "./engine/messages.ts";
import { hasPfs } from "./launcher/isolation.ts";
import { removeFolder } from "./scratch/remove.ts";
import { openWorkerFolders, type WorkerFolders } from "./scratch/worker-folders.ts";
import { assignedOf, Desk, raceOf, standOf } from "./session/desk.ts";
import { type Connect, Session } from "./session/session.ts";

export interface WorkerOptions {
  readonly id: string;
  readonly pool: string;
  /** Addresses per owner; none: no session with it. */
  readonly addresses: Readonly<Record<Owner, readonly string[]>>;
  readonly store: string;
  readonly data: string;
  readonly slots: number;
  /** Commands run in containers that mount this folder; undefined: here. */
  readonly userVolume: string | undefined;
  readonly graceMs: number;
  /** That of the engine (newEngineThread). */
  readonly thread: Thread;
  readonly connect: Connect;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** An owner wanted this worker to go, and it has nothing left: the process is to end. */
  readonly onDrained: () => void;
  /** It cannot go on. */
  readonly onFailed: (error: unknown) => void;
}

/** Short waits: while one owner dies and the next takes over, nothing new is handed out. */
const RECONNECT = { baseMs: 50, capMs: 1_000 };
/** How long the engine may take to end what runs, before its thread is ended. */
const STOP_LIMIT_MS = 2_000;

export class Worker implements Component {
  readonly #options: WorkerOptions;
  readonly #desk = new Desk();
  readonly #sessions = new Map<Owner, Session>();
  /** What each owner was told to be wanted. */
  readonly #offered = new Map<Owner, number>();
  /** How many greetings of each owner the engine was told of. */
  readonly #greetings = new Map<Owner, number>();
  readonly #drained = Promise.withResolvers<void>();
  #draining: Promise<void> | undefined;
  readonly #ended = Promise.withResolvers<void>();
  /** What the engine was told of the master's OwnerBeat.follow. */
  #follow = 0;
  #folders: WorkerFolders | undefined;
  #started = false;
  #stopping = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { id, store, slots, graceMs, userVolume } = this.#options;
    const folders = await this.#openFolders();
    const engine = this.#startEngine({ worker: id, store, folders, userVolume, slots, graceMs });
    for (const owner of ["master", "merge"] as const) this.#openSession(owner);
    if (userVolume !== undefined) return this.#startLater(engine);
    // The greetings need not wait for it: nothing is wanted before it speaks.
    for (const session of this.#sessions.values()) session.start();
    try {
      this.#tellStarted(await engine);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Containers may take any time to start. Until they have, owners are connected to, and not greeted: who is greeted counts as a worker
   * that is ready, and goes when it has had nothing to do for a while. Meanwhile this worker can be told to stop like any other.
   */
  #startLater(engine: Promise<string>): void {
    for (const session of this.#sessions.values()) session.connect();
    engine.then(
      (isolation) => {
        if (this.#stopping || this.#draining !== undefined) return;
        this.#tellStarted(isolation);
        for (const session of this.#sessions.values()) session.start();
      },
      (error: unknown) => this.#options.onFailed(error),
    );
  }

  #tellStarted(isolation: string): void {
    const { id, log } = this.#options;
    log.info({ worker: id, isolation }, "worker started");
    if (!hasPfs(isolation))
      log.info("there is no /pfs here, for want of rights to mount it: commands find their datum by the environment");
    if (isolation.startsWith("process group"))
      log.warn({ isolation }, "no PID namespace can be made here: a daemon that a command leaves behind may live on");
  }

  /** Takes nothing new, gives back what was not started, finishes and commits the rest, and says good-bye. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async #drain(): Promise<void> {
    // Nobody has been greeted, or it was offered nothing yet: it holds nothing.
    if (!this.#started) return this.#leave();
    this.#desk.drain();
    // First, or what is given back could come again.
    this.#offer();
    this.#tell({ t: "drain" });
    await this.#drained.promise;
    await this.#leave();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#leave();
    this.#tell({ t: "stop" });
    const limit = new AbortController();
    await Promise.race([this.#ended.promise, this.#options.clock.sleep(STOP_LIMIT_MS, limit.signal).catch(() => {})]);
    limit.abort();
    await this.#options.thread.terminate();
    for (const folder of this.#folders?.own ?? []) removeFolder(folder);
  }

  async #leave(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.leave()));
    this.#sessions.clear();
  }

  async #openFolders(): Promise<WorkerFolders> {
    const { data, id, userVolume, random } = this.#options;
    try {
      this.#folders = openWorkerFolders(data, id, userVolume, random);
      return this.#folders;
    } catch (error) {
      await this.#options.thread.terminate();
      throw error;
    }
  }

  // ---- engine

  #startEngine(data: EngineData): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const { thread } = this.#options;
    thread.on("message", (message: FromEngine) => {
      if (message.t === "started") resolve(message.isolation);
      else if (message.t === "failed") {
        this.#onEngineGone(new SheafError(message.code, "ENGINE_FAILED", message.message), reject);
      } else this.#onEngine(message);
    });
    thread.on("error", (error) => this.#onEngineGone(error, reject));
    thread.on("exit", (code) => {
      this.#ended.resolve();
      this.#drained.resolve();
      this.#onEngineGone(internal("ENGINE_ENDED", `the worker's engine ended with code ${code}`), reject);
    });
    this.#tell({ t: "open", data });
    return promise.then((isolation) => {
      this.#started = true;
      return isolation;
    });
  }

  /** While it starts, the start fails; later the process has to end. */
  #onEngineGone(error: unknown, reject: (error: unknown) => void): void {
    if (this.#stopping) return;
    if (!this.#started) return reject(error);
    this.#stopping = true;
    this.#options.onFailed(error);
  }

  #tell(message: ToEngine): void {
    this.#options.thread.postMessage(message);
  }

  #onEngine(message: Exclude<FromEngine, { t: "started" | "failed" }>): void {
    switch (message.t) {
      case "holds":
        this.#desk.update(message.holds, message.capacity, message.assigned, this.#options.clock.now());
        return this.#offer();
      case "say":
        // What was said for an earlier greeting is said again for this one (E4).
        if (message.greeting === this.#greetings.get(message.owner))
          this.#sessions.get(message.owner)?.say(message.saying);
        return;
      case "drained":
        this.#drained.resolve();
    }
  }

  /** Tells each owner what is wanted, when that is not what it knows (D2). */
  #offer(): void {
    const claims = this.#desk.wanted();
    for (const [owner, session] of this.#sessions) {
      if (!session.isStanding || this.#offered.get(owner) === claims) continue;
      this.#offered.set(owner, claims);
      session.say({ case: "want", value: create(dispatch.WantSchema, { claims }) });
    }
  }

  // ---- sessions

  #openSession(owner: Owner): void {
    const { addresses, connect, clock, random, log, id, pool, slots } = this.#options;
    if (addresses[owner].length === 0) return;
    const session = new Session({
      owner,
      addresses: addresses[owner],
      connect,
      clock,
      backoff: backoff({ ...RECONNECT, random }),
      log,
      hello: () => this.#desk.hello(owner, { id, pool, version: VERSION, slots }),
      beat: (heard) => this.#desk.beat(owner, clock.now(), heard),
      onStands: (welcome) => this.#onStands(owner, welcome),
      onLost: () => this.#tell({ t: "lost", owner }),
      onMessage: (message) => this.#onMessage(owner, message),
    });
    this.#sessions.set(owner, session);
  }

  #onStands(owner: Owner, welcome: dispatch.Welcome): void {
    this.#offered.delete(owner);
    if (owner === "master") this.#follow = 0;
    if (welcome.cutIntervalMs > 0) this.#tell({ t: "pace", cutIntervalMs: welcome.cutIntervalMs });
    const greeting = (this.#greetings.get(owner) ?? 0) + 1;
    this.#greetings.set(owner, greeting);
    this.#tell({ t: "standing", owner, greeting, stand: standOf(welcome.stand) });
    this.#offer();
  }

  #onMessage(owner: Owner, message: dispatch.SessionResponse["message"]): void {
    switch (message.case) {
      case "assign":
        return this.#onAssigned(owner, message.value.claim, assignedOf(owner, message.value));
      case "race":
        return this.#onAssigned(owner, message.value.claim, raceOf(owner, message.value));
      case "beat":
        if (message.value.cutIntervalMs > 0) this.#tell({ t: "pace", cutIntervalMs: message.value.cutIntervalMs });
        if (owner === "master") this.#onFollow(message.value.follow);
        return;
      case "release":
        return this.#tell({ t: "release", owner, claim: message.value.claim, from: Number(message.value.from) });
      case "committed": {
        const { claim, from, to } = message.value;
        return this.#tell({ t: "committed", claim, interval: { from: Number(from), to: Number(to) } });
      }
      case "refused": {
        const { claim, from, to, code, reason, stillFrom, stillTo } = message.value;
        const interval = { from: Number(from), to: Number(to) };
        const still = { from: Number(stillFrom), to: Number(stillTo) };
        return this.#tell({ t: "refused", claim, interval, code, reason, still });
      }
      case "cancel": {
        const { claim, index, reason } = message.value;
        return this.#tell({ t: "cancel", claim, index: index === undefined ? undefined : Number(index), reason });
      }
      case "drain":
        // Not by a signal, whose drain has a deadline: what runs now may take as long as it takes, or it would be run twice.
        return void this.drain().then(this.#options.onDrained);
      default:
        return;
    }
  }

  #onFollow(follow: number): void {
    if (follow === this.#follow) return;
    this.#follow = follow;
    this.#tell({ t: "follow", follow });
  }

  #onAssigned(owner: Owner, id: string, claim: Assigned | undefined): void {
    if (claim === undefined) return this.#options.log.error({ owner, claim: id }, "an assignment cannot be read");
    this.#desk.assigned(claim);
    this.#tell({ t: "assign", claim });
    // The owner has counted it already.
    this.#offered.set(owner, (this.#offered.get(owner) ?? 1) - 1);
    this.#offer();
  }
}
