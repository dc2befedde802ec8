/** A line of a log as text. Bytes that are no UTF-8 show as U+FFFD. */
import type { api } from "@sheaf/proto";

const LINE_CHARS_MAX = 10_000;

export function logText({ text }: Pick<api.JobLogLine, "text">): string {
  const line = Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString("utf8");
  return line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX)}…` : line;
}
