/** Lines of logs as text. Bytes that are no UTF-8 show as U+FFFD. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { api } from "@sheaf/proto";
import { escapeControls } from "./escape.ts";

const LINE_CHARS_MAX = 10_000;
/** As lists show it. */
const WORKER_CHARS = 8;

export function logText({ text }: Pick<api.JobLogLine, "text">): string {
  const line = Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString("utf8");
  return line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX)}…` : line;
}

/** "2026-07-30T12:34:56.789Z 3f2a91bc 17.1 stderr text". Also for files and pipes: whatever the text is, it is one line, and tells nothing else. */
export function logLine(line: api.JobLogLine): string {
  const time = line.time === undefined ? "-" : timestampDate(line.time).toISOString();
  const stream = line.stream === api.LogStream.STDERR ? "stderr" : "stdout";
  const worker = escapeControls(line.worker.slice(0, WORKER_CHARS)) || "-";
  return `${time} ${worker} ${line.datum}.${line.attempt} ${stream} ${escapeControls(logText(line), "\t")}`;
}
