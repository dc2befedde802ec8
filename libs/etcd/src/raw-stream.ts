/**
 * One of etcd's two-way streams, tamed: it ends exactly once, says nothing after its end, and a cancel is
 * local and immediate, so that it works in a black hole as well.
 */
import { messageOf } from "@sheaf/runtime";
import type { IDuplexStream } from "etcd3";

export interface StreamHandler<Answer> {
  message(answer: Answer): void;
  /** The stream is over: an error, the server's end, or `undefined` after our own `cancel`. */
  ended(cause: string | undefined): void;
}

export interface RawStream<Request> {
  send(request: Request): void;
  /** Ends it from our side; `ended` is called if it was not yet. */
  cancel(): void;
}

/** `open` gives etcd3's stream: it may fail, or come after `cancel` was called. */
export function openStream<Request, Answer>(
  open: () => Promise<IDuplexStream<Request, Answer>>,
  handler: StreamHandler<Answer>,
): RawStream<Request> {
  let over = false;
  let stream: IDuplexStream<Request, Answer> | undefined;
  const waiting: Request[] = [];

  const end = (cause: string | undefined) => {
    if (over) return;
    over = true;
    waiting.length = 0;
    handler.ended(cause);
  };

  const attach = (opened: IDuplexStream<Request, Answer>) => {
    stream = opened;
    // Also after our end: a cancelled stream reports an error, and an error without a listener is thrown.
    opened.on("error", (error) => end(messageOf(error)));
    opened.on("end", () => end("the server ended the stream"));
    opened.on("data", (answer) => {
      if (!over) handler.message(answer);
    });
    if (over) opened.cancel();
    for (const request of waiting.splice(0)) opened.write(request);
  };

  open().then(attach, (error: unknown) => end(messageOf(error)));
  return {
    send(request) {
      if (over) return;
      if (stream === undefined) waiting.push(request);
      else stream.write(request);
    },
    cancel() {
      end(undefined);
      stream?.cancel();
    },
  };
}
