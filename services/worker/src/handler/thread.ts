// The thread of a handler: loads the user's module, and calls it with one datum after another.

import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { workerData } from "node:worker_threads";
import type { Stream } from "../launcher/launcher.ts";
import { HandlerDatum } from "./datum.ts";
import type { FromHandler, HandlerData, ToHandler } from "./messages.ts";
import { HandlerOutput } from "./output.ts";

type Handler = (datum: HandlerDatum) => unknown;

function serve({ module, port }: HandlerData): void {
  const send = (message: FromHandler) => port.postMessage(message);
  const output = new HandlerOutput(
    (
      stream,
      bytes, // A copy: of a part of a buffer all of the buffer would go.
    ) => send({ t: "output", stream, bytes: new Uint8Array(bytes) }),
  );
  take("stdout", output);
  take("stderr", output);
  let handler: Handler | undefined;
  port.on("message", async (message: ToHandler) => {
    const { number } = message;
    const datum = new HandlerDatum(message);
    let reason = "HANDLER_NOT_LOADED";
    try {
      handler ??= await load(module);
      reason = "HANDLER_THREW";
      await handler(datum);
      datum.close();
      output.flush();
      send({ t: "done", number, files: datum.written() });
    } catch (error) {
      datum.close();
      output.add("stderr", Buffer.from(stackOf(error)));
      output.flush();
      send({ t: "failed", number, reason, message: said(error) });
    }
  });
}

/** Whatever it is: a symbol, or an object without a prototype, is not made into text by a template. */
function said(error: unknown): string {
  try {
    if (error instanceof Error) return `${error}`;
    return `it threw ${typeof error === "string" && error !== "" ? error : inspect(error)}`;
  } catch {
    // What it throws now is not what went wrong.
    return `it threw ${typeof error === "function" ? "a function" : "an object"} whose text cannot be read: that throws as well`;
  }
}

/** Of a module that cannot be loaded it shows the line. */
function stackOf(error: unknown): string {
  try {
    return error instanceof Error && typeof error.stack === "string" ? `${error.stack}\n` : "";
  } catch {
    return "";
  }
}

async function load(module: string): Promise<Handler> {
  const loaded: { readonly default?: unknown } = await import(pathToFileURL(module).href);
  if (typeof loaded.default !== "function") {
    throw new TypeError(
      'the module has no default export that is a function: "export default async (datum) => { ... }"',
    );
  }
  return loaded.default as Handler;
}

/** What is printed goes the way of the messages, so that it stays in order with them. */
function take(stream: Stream, output: HandlerOutput): void {
  process[stream].write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    output.add(stream, typeof chunk === "string" ? Buffer.from(chunk) : Uint8Array.from(chunk));
    const done = rest.find((each) => typeof each === "function");
    if (done !== undefined) queueMicrotask(() => done());
    return true;
  };
}

serve(workerData as HandlerData);
