/**
 * What carries a launcher: who starts one, who ends it by force, and what its shell is. All the rest (FIFOs, requests, events) is
 * the same for a process of this machine (local-carrier.ts) and for one in a container beside the worker (container-carrier.ts).
 */
import type { Launcher, LauncherOptions } from "./launcher.ts";
import type { Mode, Shell } from "./request.ts";

/** Carries one life of a launcher. */
export interface Carrier {
  /** How well it contains commands; for the log. */
  readonly name: string;
  /** Whether another user's commands can be run: they reach their datum only where it is bound for them. */
  readonly canGive: boolean;
  readonly shell: Shell;
  /** Lines of shell that make the reader of `requests` a launcher. */
  firstLines(box: string): string;
  /** The launcher's events end with it. If not, `start` tells. */
  readonly endsEvents: boolean;
  /** Undefined: it may take any time to be ready. */
  readonly readyLimitMs: number | undefined;
  /** The box is there, and the first lines are written. */
  start(box: string, onGone: (detail: string) => void): void;
  /** /pfs, where there is one, is that of the datum in `folder` from now on. */
  point(box: string, folder: string, inputs: readonly string[]): void;
  /** The FIFOs of the box are about to be closed: ends what does not end by that. */
  end(box: string, mode: Mode): void;
}

export type Launched =
  | { readonly ok: true; readonly launcher: Launcher }
  /** `isFinal`: it is of no use to try again. */
  | { readonly ok: false; readonly detail: string; readonly isFinal: boolean };

/** Where the launchers of one slot come from, one at a time. */
export interface Carriers {
  launch(options: Omit<LauncherOptions, "carrier">): Promise<Launched>;
  close(): void;
}
