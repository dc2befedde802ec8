// What a seat and the thread of its handler say to each other. Structured clones.

import type { Stream } from "../launcher/launcher.ts";

/** What the thread is started with. */
export interface HandlerData {
  /** The file of the module. */
  readonly module: string;
}

/** An input of a datum. */
export interface HandlerInput {
  /** Its name in the pipeline's spec. */
  readonly name: string;
  /** What the glob matched, in its repo: "/a/b". */
  readonly path: string;
  /** Where that lies on this machine: a file, or a folder. */
  readonly file: string;
}

/** Seat to thread: handle this. The one before it was answered. */
export interface ToHandler {
  readonly number: number;
  readonly id: string;
  readonly inputs: readonly HandlerInput[];
  /** The folder of the output. */
  readonly out: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Thread to seat. */
export type FromHandler =
  | { readonly t: "output"; readonly stream: Stream; readonly bytes: Uint8Array }
  | { readonly t: "done"; readonly number: number }
  | { readonly t: "failed"; readonly number: number; readonly reason: string; readonly message: string };
