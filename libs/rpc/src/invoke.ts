/**
 * Running handlers, under the rules that hold for every call on every transport:
 *
 * R1. A unary call without a deadline gets one; a stream has only the one that its caller sets.
 * R2. The caller gets an answer when its call is over, also from a handler that does not look at its signal.
 * R3. What a handler throws leaves through the error door.
 * R4. A drain ends streams of answers with UNAVAILABLE; unary calls and uploads finish. Handlers of bidirectional streams
 *     see `draining` and return by themselves.
 * R5. A caller that takes no answer of its stream for a minute is cut: what it holds at the server (files, a place among the
 *     followers) is for those who read. Nothing is kept for it beyond one message and the window of its connection.
 * R6. Whether the caller may call is decided before the handler (access.ts); a call whose caller may no longer ends.
 */
import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { type Clock, deadlineExceeded, orAborted, type Timer, unavailable } from "@sheaf/runtime";
import type { Access, Claimant } from "./access.ts";
import { type ErrorDoor, outgoing } from "./errors.ts";
import type { CallContext } from "./handlers.ts";
import type { AnyHandler, MountedMethod } from "./mount.ts";
import type { Fields, MessageStream } from "./types.ts";

/** What a server gives to its calls. */
export interface CallRules extends ErrorDoor {
  readonly clock: Clock;
  /** Deadline of a unary call whose caller sets none, in milliseconds. */
  readonly unaryTimeoutMs: number;
  /** A caller that takes no further message for so long, in milliseconds, is cut. */
  readonly unreadMs: number;
  readonly draining: AbortSignal;
  /** Aborted when the server stops, with the error that its open calls end with. */
  readonly stopping: AbortSignal;
  readonly access: Access;
}

/** What the transport knows of a call. */
export interface Origin extends Claimant {
  /** Aborted with a SheafError when the caller is gone. */
  readonly gone: AbortSignal;
  /** As the caller set it. */
  readonly timeoutMs: number | undefined;
  /** Breaks the transport's stream off. */
  readonly cut: () => void;
}

type Fn<K extends AnyHandler["kind"]> = Extract<AnyHandler, { kind: K }>["fn"];

export function runUnary(method: MountedMethod, fn: Fn<"unary">, request: Message, origin: Origin, rules: CallRules) {
  const timeoutMs = origin.timeoutMs ?? rules.unaryTimeoutMs; // R1
  return runToAnswer(method, (context) => fn(request, context), { ...origin, timeoutMs }, rules);
}

export function runUpload(
  method: MountedMethod,
  fn: Fn<"client_streaming">,
  requests: AsyncIterable<Message>,
  origin: Origin,
  rules: CallRules,
) {
  return runToAnswer(method, (context) => fn(requests, context), origin, rules);
}

async function runToAnswer(
  method: MountedMethod,
  fn: (context: CallContext) => Promise<Fields>,
  origin: Origin,
  rules: CallRules,
): Promise<Message> {
  using scope = openScope(method, origin, rules);
  try {
    return message(method.desc, await orAborted(fn(scope.context), scope.context.signal)); // R2
  } catch (error) {
    throw outgoing(error, method.path, rules); // R3
  }
}

export async function* runDownload(
  method: MountedMethod,
  fn: Fn<"server_streaming">,
  request: Message,
  origin: Origin,
  rules: CallRules,
): AsyncGenerator<Message, void, void> {
  using scope = openScope(method, origin, rules);
  const { signal } = scope.context;
  const stopped = new AbortController();
  const onDrain = () => stopped.abort(goingAway());
  const onOver = () => stopped.abort(signal.reason);
  rules.draining.addEventListener("abort", onDrain, { once: true }); // R4
  signal.addEventListener("abort", onOver, { once: true });
  if (rules.draining.aborted) onDrain();
  if (signal.aborted) onOver();
  let answers: AsyncIterator<Fields> | undefined;
  try {
    answers = fn(request, scope.context)[Symbol.asyncIterator]();
    for (;;) {
      const next = await orAborted(answers.next(), stopped.signal);
      if (next.done) return;
      const answer = message(method.desc, next.value);
      using _unread = rules.clock.timer(rules.unreadMs, origin.cut); // R5
      yield answer;
    }
  } catch (error) {
    throw outgoing(error, method.path, rules);
  } finally {
    rules.draining.removeEventListener("abort", onDrain);
    signal.removeEventListener("abort", onOver);
    // Not awaited: a generator that hangs in a next() would hold it. Its scope is over, which tells it.
    answers?.return?.().catch(() => {});
  }
}

export async function runBidi(
  method: MountedMethod,
  fn: Fn<"bidi_streaming">,
  stream: MessageStream<Message, Fields>,
  origin: Origin,
  rules: CallRules,
): Promise<void> {
  using scope = openScope(method, origin, rules);
  try {
    await orAborted(fn(stream, scope.context), scope.context.signal);
  } catch (error) {
    throw outgoing(error, method.path, rules);
  }
}

/** What a call ends with that a drain or a stop cuts short: call again, another replica or the next start answers. */
export function goingAway() {
  return unavailable("GOING_AWAY", "the service is going away; call again", { retryDelayMs: 100 });
}

interface Scope extends Disposable {
  readonly context: CallContext;
}

/** The time in which a handler works. Leaving it aborts the signal, so that nothing it began goes on. */
function openScope({ desc, path }: MountedMethod, origin: Origin, rules: CallRules): Scope {
  const { clock } = rules;
  const allowed = rules.access(desc, origin); // R6
  const { timeoutMs } = origin;
  const over = new AbortController();
  const onGone = () => over.abort(origin.gone.reason);
  const onStop = () => over.abort(rules.stopping.reason);
  const onRefused = () => over.abort(allowed?.reason);
  origin.gone.addEventListener("abort", onGone, { once: true });
  rules.stopping.addEventListener("abort", onStop, { once: true });
  allowed?.addEventListener("abort", onRefused, { once: true });
  if (origin.gone.aborted) onGone();
  if (rules.stopping.aborted) onStop();
  const end = timeoutMs === undefined ? undefined : clock.now() + timeoutMs;
  let timer: Timer | undefined;
  if (timeoutMs !== undefined) timer = clock.timer(timeoutMs, () => over.abort(tooLate(path, timeoutMs)));
  const context: CallContext = {
    method: path,
    signal: over.signal,
    draining: rules.draining,
    timeLeftMs: () => (end === undefined ? undefined : Math.max(0, end - clock.now())),
    header: origin.header,
    peer: origin.peer,
    cut: origin.cut,
  };
  const leave = () => {
    timer?.cancel();
    origin.gone.removeEventListener("abort", onGone);
    rules.stopping.removeEventListener("abort", onStop);
    allowed?.removeEventListener("abort", onRefused);
    over.abort(goingAway());
  };
  return { context, [Symbol.dispose]: leave };
}

function tooLate(path: string, timeoutMs: number) {
  return deadlineExceeded("DEADLINE_EXCEEDED", `${path} was not done within ${Math.round(timeoutMs)} ms`);
}

/** A handler may return a message or the fields of one. */
function message(method: DescMethod, answer: Fields): Message {
  return create(method.output, answer);
}
