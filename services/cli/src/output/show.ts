/** What commands print: rows as a table, one message as lines, or the API's JSON. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Call } from "../action.ts";
import { escapeFor } from "./escape.ts";
import { jsonLine } from "./json.ts";

/** A column of a table: its title and what stands in it. */
export type Columns<T> = Readonly<Record<string, (row: T) => string | number | bigint>>;

/** Rows that are laid out together: so many are in memory. */
const BLOCK_ROWS = 1_000;

/** A table with a head, or a line of JSON per row. Says nothing but the head when there are no rows. */
export async function showRows<D extends DescMessage>(
  { host, json, signal }: Call,
  schema: D,
  rows: AsyncIterable<MessageShape<D>>,
  columns: Columns<MessageShape<D>>,
): Promise<void> {
  const { stdout } = host;
  const safe = escapeFor(stdout);
  const values = Object.values(columns);
  const widths = values.map(() => 0);
  let block = [Object.keys(columns)];
  const flush = async () => {
    stdout.write(layOut(block, widths));
    block = [];
    await stdout.flush();
  };
  for await (const row of rows) {
    signal.throwIfAborted();
    if (json) stdout.write(jsonLine(schema, row));
    else block.push(values.map((value) => safe(String(value(row)))));
    if (json) await stdout.flush();
    else if (block.length >= BLOCK_ROWS) await flush();
  }
  if (!json) await flush();
}

/** A line of JSON, or a line per field; fields without a value are left out. */
export function showOne<D extends DescMessage>(
  { host, json }: Call,
  schema: D,
  message: MessageShape<D> | undefined,
  fields: Columns<MessageShape<D>>,
): void {
  if (message === undefined) return;
  const { stdout } = host;
  if (json) return stdout.write(jsonLine(schema, message));
  const safe = escapeFor(stdout);
  const lines = Object.entries(fields)
    .map(([name, value]) => [`${name}:`, safe(String(value(message)))])
    .filter(([, value]) => value !== "");
  stdout.write(layOut(lines, [0, 0]));
}

/** A sentence for people; nothing when JSON is asked for. */
export function say({ host, json }: Call, text: string): void {
  if (!json) host.stdout.write(`${escapeFor(host.stdout)(text)}\n`);
}

/** "2026-07-30 12:34:56Z"; empty when it is not set. */
export function time(stamp: Timestamp | undefined): string {
  return stamp === undefined
    ? ""
    : timestampDate(stamp)
        .toISOString()
        .replace("T", " ")
        .replace(/\.\d+Z$/, "Z");
}

/** Milliseconds from one to the other; undefined unless both are set. */
export function msBetween(from: Timestamp | undefined, to: Timestamp | undefined): number | undefined {
  if (from === undefined || to === undefined) return undefined;
  return timestampDate(to).getTime() - timestampDate(from).getTime();
}

/** `widths` grow: the next block stands under this one. */
function layOut(rows: readonly (readonly (string | undefined)[])[], widths: number[]): string {
  for (const row of rows) {
    row.forEach((cell = "", i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const line = (row: readonly (string | undefined)[]) =>
    row.map((cell = "", i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}
