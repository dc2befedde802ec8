/**
 * A scripted owner for tests: a dispatch service over a real port that hands out intervals of one ledger, takes commits by
 * the rules (L4), and does whatever else a test tells it to.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { readResultHeader } from "@sheaf/files";
import { dispatch, type store } from "@sheaf/proto";
import { implement, type MessageStream, type RpcServer, serveGrpc } from "@sheaf/rpc";
import { testLogger } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";

type Request = dispatch.SessionRequest["message"];
type Response = dispatch.SessionResponse["message"];
type Stream = MessageStream<dispatch.SessionRequest, MessageInitShape<typeof dispatch.SessionResponseSchema>>;

export interface FakeLedger {
  readonly job: string;
  readonly kind: store.WorkKind;
  readonly n: number;
  readonly input: store.ObjectRef;
  /** Indexes of a claim. */
  readonly claimSize: number;
}

interface FakeClaim {
  readonly id: string;
  readonly ledger: FakeLedger;
  fence: bigint;
  from: number;
  to: number;
}

export interface TakenCommit {
  readonly from: number;
  readonly to: number;
  readonly result: store.TableRef;
  readonly totals: dispatch.Totals;
  readonly claim: string;
}

export class FakeOwner {
  readonly #store: Store;
  readonly claims = new Map<string, FakeClaim>();
  /** All that workers said, in order. */
  readonly heard: Request[] = [];
  readonly taken: TakenCommit[] = [];
  cutIntervalMs = 1_000;
  beatMs = 100;
  /** Told with the assignments of these indexes. */
  prior: dispatch.PriorTries[] = [];
  /** Of the claims that are made next. */
  fence = 7n;
  /** Instead of the rules: what to answer to a commit; undefined for the rules, null for silence. */
  onCommit: (commit: dispatch.Commit, owner: FakeOwner) => Response | null | undefined = () => undefined;
  /** Instead of a Welcome. */
  onHello: (hello: dispatch.Hello) => Response | undefined = () => undefined;
  #ledger: FakeLedger | undefined;
  #given = 0;
  #claimCount = 0;
  readonly #done = new Set<number>();
  readonly #free: [number, number][] = [];
  #wanted = 0;
  #stream: Stream | undefined;
  #hangUp: (() => void) | undefined;
  #server: RpcServer | undefined;
  #port: number;
  readonly #waiters: { readonly test: () => boolean; readonly resolve: () => void }[] = [];

  constructor(source: Store, port = 0) {
    this.#store = source;
    this.#port = port;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const session = (stream: Stream) => this.#session(stream);
    const services = [implement(dispatch.DispatchService, { session })];
    this.#server = serveGrpc({ host: "127.0.0.1", port: this.#port, services, log: testLogger() });
    await this.#server.start();
    this.#port = this.#server.address.port;
  }

  async stop(): Promise<void> {
    this.hangUp();
    await this.#server?.stop();
  }

  /** Breaks the stream. What is still on its way is not heard. */
  hangUp(): void {
    this.#stream = undefined;
    this.#hangUp?.();
  }

  give(ledger: FakeLedger): void {
    this.#ledger = ledger;
    this.#given = 0;
    this.#done.clear();
    this.#free.length = 0;
    this.taken.length = 0;
    this.#handOut();
  }

  /** What another owner knew becomes this one's, and every claim gets another fence. */
  takeOver(other: FakeOwner): void {
    this.#ledger = other.#ledger;
    this.#given = other.#given;
    this.taken.push(...other.taken);
    this.markDone(...other.#done);
    this.#free.push(...other.#free);
    this.#claimCount = other.#claimCount;
    for (const [id, claim] of other.claims) this.claims.set(id, claim);
    this.refence(other.fence + 1n);
  }

  refence(fence: bigint): void {
    this.fence = fence;
    for (const claim of this.claims.values()) claim.fence = fence;
  }

  /** Has an index of another worker's claim raced. The claim is held by nobody here. */
  race(id: string, index: number, ledger: FakeLedger, prior?: dispatch.PriorTries): void {
    const { fence } = this;
    if (!this.claims.has(id)) this.claims.set(id, { id, ledger, fence, from: 0, to: ledger.n });
    const { job, kind, input } = ledger;
    const value = create(dispatch.RaceSchema, { claim: id, fence, job, kind, input, index: BigInt(index) });
    if (prior !== undefined) value.prior = prior;
    this.say({ case: "race", value });
  }

  cancel(claim: string, reason: dispatch.CancelReason, index?: number): void {
    const value = create(dispatch.CancelSchema, { claim, reason });
    if (index !== undefined) value.index = BigInt(index);
    this.say({ case: "cancel", value });
  }

  release(claim: string, from: number): void {
    this.say({ case: "release", value: create(dispatch.ReleaseSchema, { claim, from: BigInt(from) }) });
  }

  say(message: Response): void {
    void this.#stream?.write({ message } as MessageInitShape<typeof dispatch.SessionResponseSchema>).catch(() => {});
  }

  /** Marks indexes as done by somebody else. */
  markDone(...indexes: number[]): void {
    for (const index of indexes) this.#done.add(index);
  }

  get isComplete(): boolean {
    return this.#ledger !== undefined && this.#done.size === this.#ledger.n;
  }

  /** Resolves when the condition holds; looked at after everything that is heard. */
  until(test: () => boolean): Promise<void> {
    if (test()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ test, resolve }));
  }

  async complete(): Promise<void> {
    await this.until(() => this.isComplete);
  }

  heardOf<C extends NonNullable<Request["case"]>>(which: C): Extract<Request, { case: C }>["value"][] {
    return this.heard.filter((message) => message.case === which).map(({ value }) => value) as never;
  }

  async #session(stream: Stream): Promise<void> {
    const over = Promise.withResolvers<void>();
    this.#stream = stream;
    this.#hangUp = over.resolve;
    this.#wanted = 0;
    const beat = setInterval(() => this.say({ case: "beat", value: create(dispatch.OwnerBeatSchema) }), this.beatMs);
    const listen = async () => {
      for await (const { message } of stream.messages) {
        if (this.#stream !== stream) return;
        this.heard.push(message);
        await this.#onMessage(message);
        this.#wake();
      }
    };
    try {
      await Promise.race([listen(), over.promise]);
    } finally {
      clearInterval(beat);
      if (this.#stream === stream) this.#stream = undefined;
      this.#wake();
    }
  }

  async #onMessage(message: Request): Promise<void> {
    switch (message.case) {
      case "hello":
        return this.say(this.onHello(message.value) ?? this.#welcome(message.value));
      case "want":
        this.#wanted = message.value.claims;
        return this.#handOut();
      case "commit":
        return this.#commit(message.value);
      case "released":
        return this.#released(message.value.claim, Number(message.value.from));
      default:
        return;
    }
  }

  #welcome(hello: dispatch.Hello): Response {
    const stand = hello.holds.flatMap((held) => {
      const claim = this.claims.get(held.claim);
      return claim === undefined ? [] : [create(dispatch.HeldClaimSchema, { ...held, fence: claim.fence })];
    });
    const { beatMs: beatIntervalMs, cutIntervalMs } = this;
    return {
      case: "welcome",
      value: create(dispatch.WelcomeSchema, { session: "s", beatIntervalMs, cutIntervalMs, stand }),
    };
  }

  #handOut(): void {
    while (this.#wanted > 0 && this.#stream !== undefined) {
      const interval = this.#nextInterval();
      const ledger = this.#ledger;
      if (interval === undefined || ledger === undefined) return;
      this.#wanted--;
      const [from, to] = interval;
      const { fence } = this;
      const claim = { id: `claim-${++this.#claimCount}-${from}`, ledger, fence, from, to };
      this.claims.set(claim.id, claim);
      const { job, kind, input } = ledger;
      const prior = this.prior.filter(({ index }) => index >= from && index < to);
      const value = { claim: claim.id, fence, job, kind, from: BigInt(from), to: BigInt(to), input, prior };
      this.say({ case: "assign", value: create(dispatch.AssignSchema, value) });
    }
  }

  #nextInterval(): [number, number] | undefined {
    const free = this.#free.shift();
    if (free !== undefined) return free;
    const ledger = this.#ledger;
    if (ledger === undefined || this.#given >= ledger.n) return undefined;
    const from = this.#given;
    this.#given = Math.min(ledger.n, from + ledger.claimSize);
    return [from, this.#given];
  }

  #released(id: string, from: number): void {
    const claim = this.claims.get(id);
    if (claim === undefined) return;
    const keep = Math.max(from, claim.from);
    if (keep < claim.to) this.#free.push([keep, claim.to]);
    claim.to = Math.min(claim.to, keep);
    if (claim.from >= claim.to) this.claims.delete(id);
    this.#handOut();
  }

  async #commit(commit: dispatch.Commit): Promise<void> {
    const scripted = this.onCommit(commit, this);
    if (scripted === null) return;
    this.say(scripted ?? (await this.judge(commit)));
  }

  /** L4. */
  async judge(commit: dispatch.Commit): Promise<Response> {
    const claim = this.claims.get(commit.claim);
    const [from, to] = [Number(commit.from), Number(commit.to)];
    const refuse = (code: dispatch.RefusedCode, reason: string): Response => {
      const still = { stillFrom: BigInt(claim?.from ?? 0), stillTo: BigInt(claim?.to ?? 0) };
      const value = { claim: commit.claim, from: commit.from, to: commit.to, code, reason, ...still };
      return { case: "refused", value: create(dispatch.RefusedSchema, value) };
    };
    if (claim === undefined) return refuse(dispatch.RefusedCode.CLAIM_LOST, "no such claim");
    if (commit.fence !== claim.fence) return refuse(dispatch.RefusedCode.WRONG_FENCE, "another fence");
    if (from < claim.from || to > claim.to) return refuse(dispatch.RefusedCode.OUTSIDE_CLAIM, "outside");
    const indexes = Array.from({ length: to - from }, (_, i) => from + i);
    if (indexes.some((index) => this.#done.has(index))) return refuse(dispatch.RefusedCode.ALREADY_DONE, "done");
    const problem = await this.#problemOf(commit, claim);
    if (problem !== undefined) return refuse(dispatch.RefusedCode.BAD_RESULT, problem);
    this.markDone(...indexes);
    const { result, totals } = commit as { result: store.TableRef; totals: dispatch.Totals };
    this.taken.push({ from, to, result, totals, claim: claim.id });
    while (claim.from < claim.to && this.#done.has(claim.from)) claim.from++;
    while (claim.to > claim.from && this.#done.has(claim.to - 1)) claim.to--;
    if (claim.from >= claim.to) this.claims.delete(claim.id);
    const { claim: id, from: begin, to: end } = commit;
    return { case: "committed", value: create(dispatch.CommittedSchema, { claim: id, from: begin, to: end }) };
  }

  async #problemOf(commit: dispatch.Commit, claim: FakeClaim): Promise<string | undefined> {
    try {
      const { header, objects } = await readResultHeader(
        this.#store,
        claim.ledger.kind,
        commit.result as store.TableRef,
      );
      if (header.from !== commit.from || header.to !== commit.to || header.attempt !== commit.attempt)
        return "another header";
      for (const key of objects) if ((await this.#store.head(key)) === null) return `${key} is missing`;
      return undefined;
    } catch (error) {
      return String(error);
    }
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) {
      if (!waiter.test()) continue;
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}
