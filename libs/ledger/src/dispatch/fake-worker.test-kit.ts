import { create } from "@bufbuild/protobuf";
import { dispatch, type store } from "@sheaf/proto";
import { systemRandom } from "@sheaf/runtime";
import type { Dispatcher } from "../door.ts";

type ToWorker = dispatch.SessionResponse["message"];
type Said<C> = Extract<ToWorker, { case: C }> extends { value: infer V } ? V : never;
type ToOwner = Exclude<dispatch.SessionRequest["message"], { case: undefined }>;

/** A worker that does what a test tells it, on a stream without a network. */
export class FakeWorker {
  readonly id: string;
  readonly received: ToWorker[] = [];
  readonly #inbox: dispatch.SessionRequest[] = [];
  #wakeOwner: () => void = () => {};
  #wakeTest: () => void = () => {};
  #ended = false;
  /** Assignments that came on the stream. */
  heard = 0;
  readonly over: Promise<void>;

  constructor(dispatcher: Dispatcher, id: string, hello: { holds?: dispatch.HeldClaim[]; pool?: string } = {}) {
    this.id = id;
    this.say({
      case: "hello",
      value: create(dispatch.HelloSchema, { worker: id, pool: "pipe", version: "0.1.0", slots: 1, ...hello }),
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    const end = () => {
      this.#ended = true;
      this.#wakeOwner();
      this.#wakeTest();
      resolve();
    };
    const stream = {
      requests: this.#requests(),
      send: async (message: dispatch.SessionResponse) => {
        if (this.#ended) throw new Error("the stream is over");
        if (message.message.case === "assign" || message.message.case === "race") this.heard++;
        this.received.push(message.message);
        this.#wakeTest();
      },
      close: end,
    };
    void dispatcher.session(stream).then(end, end);
  }

  say(message: ToOwner): void {
    this.#inbox.push(create(dispatch.SessionRequestSchema, { message }));
    this.#wakeOwner();
  }

  want(claims: number): void {
    this.say({ case: "want", value: create(dispatch.WantSchema, { claims }) });
  }

  /** `heard`: the assignments that it has heard; one that was begun earlier has heard fewer. */
  beat(beat: dispatch.Beat, heard = this.heard): void {
    this.say({ case: "beat", value: { ...beat, heard: BigInt(heard) } });
  }

  /** The connection breaks, without a word. */
  cut(): void {
    this.#ended = true;
    this.#wakeOwner();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The next message of this kind that no earlier call has returned. */
  async next<C extends Exclude<ToWorker["case"], undefined>>(kind: C): Promise<Said<C>> {
    return (await this.nextOf(kind)).value as Said<C>;
  }

  /** The next message of one of these kinds. */
  async nextOf(...kinds: ToWorker["case"][]): Promise<ToWorker> {
    for (;;) {
      const at = this.received.findIndex((message) => kinds.includes(message.case));
      const [found] = at >= 0 ? this.received.splice(at, 1) : [];
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the stream of ${this.id} ended before ${kinds.join(" or ")} came`);
      await new Promise<void>((resolve) => {
        this.#wakeTest = resolve;
      });
    }
  }

  /** Commits [from, to) of a claim; the result's header says so in the fake store of `verifyFake`. */
  commit(
    assign: Pick<dispatch.Assign, "claim" | "fence" | "job" | "kind">,
    from: bigint,
    to: bigint,
    failed = 0n,
    medianMs = 1n,
  ): void {
    const attempt = Buffer.from(systemRandom.bytes(8)).toString("hex");
    const key = `runs/${[assign.job, assign.kind, from, to, attempt].join("-")}`;
    const result = { object: { key, size: 1n } } as unknown as store.TableRef;
    const { claim, fence } = assign;
    const totals = create(dispatch.TotalsSchema, {
      succeeded: to - from - failed,
      failed,
      processMs: (to - from) * medianMs,
      medianMs,
    });
    this.say({
      case: "commit",
      value: create(dispatch.CommitSchema, { claim, fence, from, to, attempt, result, totals }),
    });
  }

  async *#requests(): AsyncGenerator<dispatch.SessionRequest> {
    for (;;) {
      const next = this.#inbox.shift();
      if (next !== undefined) yield next;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wakeOwner = resolve;
        });
    }
  }
}

/** Takes the header from the name of the result, as `FakeWorker.commit` made it. */
export async function verifyFake(_kind: unknown, result: store.TableRef): Promise<store.ResultHeader> {
  const [job, kind, from, to, attempt] = (result.object?.key ?? "").replace("runs/", "").split("-");
  return {
    job,
    kind: Number(kind),
    from: BigInt(from ?? 0),
    to: BigInt(to ?? 0),
    attempt,
    worker: "",
  } as store.ResultHeader;
}
