/** What a command sees of the process that it runs in; tests give their own. */
import type { Clock, Random } from "@sheaf/runtime";

export interface Host {
  /** Arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the user stands: relative paths begin there. */
  readonly cwd: string;
  /** All that comes on standard input; no more than about `bytesMax`, for what is beyond is refused. */
  readonly readStdin: (bytesMax: number, signal: AbortSignal) => Promise<string>;
  /** Results. */
  readonly stdout: Sink;
  /** Progress and errors. */
  readonly stderr: Sink;
  /** Calls `fn` when the user, or who runs us, wants an end. */
  readonly onInterrupt: (fn: (interrupt: Interrupt) => void) => void;
  /** Ends the process at once, whatever is still open. */
  readonly exitNow: (code: number) => void;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Sink {
  readonly isTTY: boolean;
  /** Characters in a line of the terminal; 80 where nobody knows. */
  readonly columns: () => number;
  readonly write: (data: string | Uint8Array) => void;
  /** Resolves when what was written is on its way, so that memory stays bounded. */
  readonly flush: () => Promise<void>;
}

/** Why the command is to end before it is done. */
export interface Interrupt {
  /** "SIGINT". */
  readonly name: string;
  readonly exitCode: number;
}
