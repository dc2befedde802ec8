/** A bidirectional stream over connect, where requests and answers are two iterables, as the stream that handlers take. */
import { create, type Message } from "@bufbuild/protobuf";
import { BoundedQueue, SheafError, unavailable } from "@sheaf/runtime";
import { StreamEnd } from "./grpc-stream.ts";
import { type CallRules, type Origin, runBidi } from "./invoke.ts";
import type { MountedMethod } from "./mount.ts";
import type { Fields } from "./types.ts";

/** As many messages wait as in a stream of grpc-js. */
const WAITING_MAX = 16;

export async function* connectBidi(
  method: MountedMethod,
  fn: Parameters<typeof runBidi>[1],
  requests: AsyncIterable<Message>,
  origin: Origin,
  rules: CallRules,
): AsyncGenerator<Message, void, void> {
  const end = new StreamEnd();
  const answers = new BoundedQueue<Message>({ maxCount: WAITING_MAX });
  origin.gone.addEventListener("abort", () => end.close({ kind: "lost", error: origin.gone.reason }), { once: true });
  const stream = {
    messages: untilBroken(requests, end),
    closed: end.closed,
    write: async (fields: Fields) => {
      const taken = end.reason === undefined && (await answers.push(create(method.desc.output, fields)));
      if (!taken) throw unavailable("STREAM_CLOSED", "the stream is over");
    },
  };
  void runBidi(method, fn, stream, origin, rules).then(
    () => {
      end.close({ kind: "ended" });
      answers.close();
    },
    (error: unknown) => {
      end.close({ kind: "cancelled" });
      answers.fail(error);
    },
  );
  yield* answers;
}

async function* untilBroken(requests: AsyncIterable<Message>, end: StreamEnd): AsyncGenerator<Message, void, void> {
  try {
    yield* requests;
  } catch (cause) {
    const error = cause instanceof SheafError ? cause : unavailable("STREAM_BROKEN", "the stream broke off", { cause });
    end.close({ kind: "lost", error });
  }
}
