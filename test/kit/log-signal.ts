/** A log that a test can wait for: what the code under test says is the signal that something has happened. */
import { createLogger, type Logger, Signal } from "@sheaf/runtime";

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Everything from debug on goes to `lines`, and nowhere else. */
export function signalLog(): { readonly log: Logger; readonly lines: Signal<LogLine> } {
  const lines = new Signal<LogLine>().arm();
  const destination = { write: (line: string) => lines.emit(JSON.parse(line) as LogLine) };
  const env = { SHEAF_LOG_LEVEL: "debug" };
  const log = createLogger({ component: "test", env, destination, isTerminal: false });
  return { log, lines };
}

/** Matches a line by the beginning of its message. */
export function says(text: string): (line: LogLine) => boolean {
  return ({ msg }) => msg.startsWith(text);
}
