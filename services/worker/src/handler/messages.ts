// What a seat and the thread of its handler say to each other. Structured clones.

import type { MessagePort } from "node:worker_threads";
import type { Stream } from "../launcher/launcher.ts";

/** What the thread is started with. */
export interface HandlerData {
  /** The file of the module. */
  readonly module: string;
  /** Not the thread's own port: a library that finds itself in a thread may write to that. */
  readonly port: MessagePort;
}

/** A file of a datum's inputs that is no file yet. */
export interface HeldFile {
  /** Below `pfs`: "in/a/b". */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly executable: boolean;
}

/** A file of its output that has become none. */
export interface WrittenFile {
  /** In the output: "/a/b". */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Seat to thread: handle this. The one before it was answered. */
export interface ToHandler {
  readonly number: number;
  readonly id: string;
  /** `path`: what the glob matched: "/a/b". */
  readonly inputs: readonly { readonly name: string; readonly path: string }[];
  /** The datum's folder. */
  readonly folder: string;
  /** What is to be put into the folder if it is wanted; undefined: everything is there. */
  readonly held: readonly HeldFile[] | undefined;
  readonly env: Readonly<Record<string, string>>;
}

/** Thread to seat. */
export type FromHandler =
  | { readonly t: "output"; readonly stream: Stream; readonly bytes: Uint8Array }
  /** `files`: the output; undefined: it is in the datum's folder. */
  | { readonly t: "done"; readonly number: number; readonly files: readonly WrittenFile[] | undefined }
  | { readonly t: "failed"; readonly number: number; readonly reason: string; readonly message: string };
