/**
 * Streams over fetch that notice a connection that died silently (a laptop that slept, another network): a browser tells nobody, and over
 * HTTP/2 only Node's client asks. Streams that can be resumed say something every 5 s, so one that says nothing for long is dead.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { Clock, Timer } from "@sheaf/runtime";

/** Six signs of life. */
const SILENT_MS = 30_000;

export function withSignsOfLife({ unary, stream }: Transport, clock: Clock): Transport {
  return {
    unary,
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      if (!isResumable(method)) return stream(method, signal, timeoutMs, header, input, contextValues);
      const dead = new AbortController();
      const listen = () => clock.timer(SILENT_MS, () => dead.abort(silent()));
      const either = AbortSignal.any(signal === undefined ? [dead.signal] : [signal, dead.signal]);
      const answered = listen();
      try {
        const response = await stream(method, either, timeoutMs, header, input, contextValues);
        return { ...response, message: heard(response.message, listen) };
      } finally {
        answered.cancel();
      }
    },
  };
}

/** The time in which the caller is busy with a message does not count. */
async function* heard<T>(messages: AsyncIterable<T>, listen: () => Timer): AsyncGenerator<T, void, void> {
  let timer = listen();
  try {
    for await (const message of messages) {
      timer.cancel();
      yield message;
      timer = listen();
    }
  } finally {
    timer.cancel();
  }
}

/** As fetch tells of every other connection that failed. */
function silent(): TypeError {
  return new TypeError(`nothing came for ${SILENT_MS / 1_000} s`);
}

function isResumable({ output }: DescMethod): boolean {
  return output.field["resume"] !== undefined;
}
