/**
 * Calls that need the owner of a pipeline, at a master that is not: they are passed on to the owner's API, because jobs are made,
 * workers seen and progress known there. One mechanism for every such call; which those are stands in routes.ts.
 *
 * O1. A call is passed on once: one that was is answered by whoever gets it, with what there is.
 * O2. It keeps its deadline, and ends when its caller goes; one that looks also when the owner is the owner no more. (One that
 *     acts may be the reason for that.)
 * O3. Without an owner that answers, a call that only looks is answered from etcd; one that acts is UNAVAILABLE and says when
 *     to try again. One that acts is never sent twice.
 */

import type { KeptTls } from "@sheaf/identity";
import type { Dispatcher, Replica } from "@sheaf/ledger";
import { type CallContext, type CallOptions, type Connection, type MountedService, publicConnection } from "@sheaf/rpc";
import { type Clock, SheafError, unavailable } from "@sheaf/runtime";

/** Says that a call was passed on, and by whom (O1). */
const PASSED_ON = "sheaf-passed-on";
/** How long a call that acts waits for a pipeline to be owned: one that was just made, or that changes hands. */
const OWNED_WITHIN_MS = 5_000;
/** How long a list waits for what an owner knows of its rows. */
const ROWS_WITHIN_MS = 2_000;
/** Connections that are kept, at most: one for each address that an owner had. */
const CONNECTIONS_MAX = 64;

export interface OwnerCallsDeps {
  readonly clock: Clock;
  /** Undefined: plain text. */
  readonly tls: KeptTls | undefined;
  readonly dispatcher: Pick<Dispatcher, "owner" | "onOwners" | "replica">;
  /** Whether there is such a pipeline at all. */
  readonly exists: (pipeline: string) => Promise<boolean>;
}

type Fields = Record<string, unknown>;
/** The RPC that is passed on: `{ service, name: "inspectJob" }`. */
interface Rpc {
  readonly service: MountedService["service"];
  readonly name: string;
}
/** A call as it came in. */
interface Passed {
  readonly rpc: Rpc;
  readonly pipeline: string;
  readonly request: object;
  readonly context: CallContext;
}

type Unary = (request: object, options: CallOptions) => Promise<Fields>;
type Download = (request: object, options: CallOptions) => AsyncIterable<Fields>;

export class OwnerCalls {
  readonly #deps: OwnerCallsDeps;
  readonly #connections = new Map<string, Connection>();

  constructor(deps: OwnerCallsDeps) {
    this.#deps = deps;
  }

  /** The other master that is to answer; undefined: this one. */
  #elsewhere(pipeline: string, context: CallContext): Replica | undefined {
    if (this.#isPassedOn(context)) return undefined; // O1
    const owner = this.#deps.dispatcher.owner(pipeline);
    return owner === undefined || owner.id === this.#deps.dispatcher.replica ? undefined : owner;
  }

  /** A call that looks, or acts. `here` answers it at this master. */
  async call(kind: "look" | "act", passed: Passed, here: () => Promise<Fields>): Promise<Fields> {
    const { rpc, pipeline, request, context } = passed;
    if (kind === "act") await this.#owned(pipeline, context);
    const owner = this.#elsewhere(pipeline, context);
    if (owner === undefined) return here();
    using still = kind === "look" ? this.#whileOwner(pipeline, owner) : NEVER;
    try {
      return await this.#unary(owner, rpc)(request, this.#options(context, { until: still.signal }));
    } catch (error) {
      if (context.signal.aborted || !(still.signal.aborted || isAway(error))) throw error;
      if (kind === "look") return here(); // O3
      const text = `the master that owns pipeline "${pipeline}" (${owner.apiAddress}) did not answer: try again`;
      throw unavailable("OWNER_AWAY", text, { retryDelayMs: 1_000, cause: error }); // O3
    }
  }

  /** A stream that looks. When the pipeline changes hands under it, it ends with UNAVAILABLE: watch again. */
  async *watch(
    { rpc, pipeline, request, context }: Passed,
    here: (context: CallContext) => AsyncIterable<Fields>,
  ): AsyncGenerator<Fields, void, void> {
    const owner = this.#elsewhere(pipeline, context);
    if (owner !== undefined) {
      using still = this.#whileOwner(pipeline, owner);
      let answered = false;
      try {
        for await (const message of this.#download(owner, rpc)(
          request,
          this.#options(context, { until: still.signal }),
        )) {
          answered = true;
          yield message;
        }
        return;
      } catch (error) {
        if (context.signal.aborted || !(still.signal.aborted || isAway(error))) throw error;
        if (answered || still.signal.aborted) throw changesHands(pipeline);
      }
    }
    using still = this.#untilElsewhere(pipeline, owner);
    yield* here({ ...context, draining: AbortSignal.any([context.draining, still.signal]) });
  }

  /** A list over many pipelines: the rows of those that others own are taken from their answers to the same call. */
  async fill(
    { rpc, request, context }: Omit<Passed, "pipeline">,
    list: RowList,
    here: () => Promise<Fields>,
  ): Promise<Fields> {
    const answer = await here();
    const rows = answer[list.rows] as object[];
    const owners = new Map<string, Replica>();
    const owns = (row: object) => (list.isLive(row) ? this.#elsewhere(list.pipeline(row), context) : undefined);
    for (const row of rows) {
      const owner = owns(row);
      if (owner !== undefined) owners.set(owner.id, owner);
    }
    const theirs = new Map<string, object>();
    const asked = [...owners.values()].map(async (owner) => {
      const said = await this.#unary(owner, rpc)(request, this.#options(context, { limitMs: ROWS_WITHIN_MS }));
      for (const row of said[list.rows] as object[]) theirs.set(`${owner.id}/${list.key(row)}`, row);
    });
    await Promise.allSettled(asked); // of one that does not answer the rows stand as etcd has them (O3)
    return { ...answer, [list.rows]: rows.map((row) => theirs.get(`${owns(row)?.id}/${list.key(row)}`) ?? row) };
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  /** O4. */
  #isPassedOn({ header, peer }: CallContext): boolean {
    return header(PASSED_ON) !== undefined && (this.#deps.tls === undefined || peer?.role === "master");
  }

  /** Resolves when the pipeline is owned, by whomever; also when there is no such pipeline: the call itself says so. */
  async #owned(pipeline: string, context: CallContext): Promise<void> {
    const { dispatcher, clock, exists } = this.#deps;
    const isOwned = () => dispatcher.owner(pipeline) !== undefined;
    if (this.#isPassedOn(context) || isOwned() || !(await exists(pipeline))) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const forget = dispatcher.onOwners(() => isOwned() && resolve());
    using _limit = clock.timer(Math.min(OWNED_WITHIN_MS, context.timeLeftMs() ?? OWNED_WITHIN_MS), resolve);
    if (!isOwned()) await promise;
    forget();
    if (isOwned()) return;
    const text = `no master owns pipeline "${pipeline}" now: try again`;
    throw unavailable("NOT_OWNER", text, { retryDelayMs: 1_000 }); // O3
  }

  /** Aborted when another than `owner` has the pipeline, or nobody (O2). */
  #whileOwner(pipeline: string, owner: Replica) {
    return this.#until(() => this.#deps.dispatcher.owner(pipeline)?.id !== owner.id);
  }

  /** Aborted when another master has the pipeline; `away` is known to have it and does not answer. */
  #untilElsewhere(pipeline: string, away: Replica | undefined) {
    const { dispatcher } = this.#deps;
    return this.#until(() => {
      const id = dispatcher.owner(pipeline)?.id;
      return id !== undefined && id !== dispatcher.replica && id !== away?.id;
    });
  }

  #until(isOver: () => boolean): Until {
    const over = new AbortController();
    const look = () => {
      if (isOver()) over.abort();
    };
    const forget = this.#deps.dispatcher.onOwners(look);
    look();
    return { signal: over.signal, [Symbol.dispose]: forget };
  }

  #options(context: CallContext, ends: { readonly until?: AbortSignal; readonly limitMs?: number }): CallOptions {
    const token = context.header("authorization");
    const times = [context.timeLeftMs(), ends.limitMs].filter((ms) => ms !== undefined);
    return {
      signal: ends.until === undefined ? context.signal : AbortSignal.any([context.signal, ends.until]),
      headers: { [PASSED_ON]: this.#deps.dispatcher.replica, ...(token && { authorization: token }) }, // O4
      ...(times.length === 0 ? {} : { timeoutMs: Math.min(...times) }),
    };
  }

  #unary(owner: Replica, rpc: Rpc): Unary {
    return this.#method(owner, rpc) as Unary;
  }

  #download(owner: Replica, rpc: Rpc): Download {
    return this.#method(owner, rpc) as Download;
  }

  #method({ apiAddress }: Replica, { service, name }: Rpc): unknown {
    const known = this.#connections.get(apiAddress);
    const connection = known ?? this.#connect(apiAddress);
    this.#connections.set(apiAddress, connection);
    const [oldest] = this.#connections.keys();
    // Idle connections close by themselves: this only bounds the list.
    if (this.#connections.size > CONNECTIONS_MAX && oldest !== undefined) this.#connections.delete(oldest);
    return (connection.client(service) as Readonly<Record<string, unknown>>)[name];
  }

  #connect(apiAddress: string): Connection {
    const { clock, tls } = this.#deps;
    const secure = tls && { tls: { kind: "service", own: tls, servers: ["master"] } as const };
    return publicConnection(apiAddress, { clock, retryMs: 0, ...secure });
  }
}

/** A signal that somebody looks after until it is disposed of. */
interface Until extends Disposable {
  readonly signal: AbortSignal;
}

const NEVER: Until = { signal: new AbortController().signal, [Symbol.dispose]: () => {} };

/** What a list holds, and whose each row is. */
export interface RowList {
  /** Field of the answer. */
  readonly rows: string;
  readonly pipeline: (row: object) => string;
  /** Tells a row from the others. */
  readonly key: (row: object) => string;
  /** Whether its owner may know more of it than etcd. */
  readonly isLive: (row: object) => boolean;
}

const AWAY = new Set(["UNREACHABLE", "TLS_FAILED", "GOING_AWAY"]);

/** The owner cannot be reached, or is going away: it did not refuse. */
function isAway(error: unknown): boolean {
  return error instanceof SheafError && AWAY.has(error.reason);
}

function changesHands(pipeline: string): SheafError {
  return unavailable("OWNER_CHANGED", `pipeline "${pipeline}" changes hands: watch again`, { retryDelayMs: 100 });
}
