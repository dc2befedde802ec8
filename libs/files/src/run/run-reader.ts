/** Reads runs: header, rows of datums, files. */
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { utf8 } from "../bytes.ts";
import { corrupt } from "../object.ts";
import { datumRecords, fileRecords, indexKey } from "../table/records.ts";
import { openTable, readSection, type Table } from "../table/table-reader.ts";

export type Run = Table<store.RunFooter>;

/** Opens a run: its footer is read and checked. */
export async function openRun(source: Store, ref: store.TableRef): Promise<Run> {
  const run = await openTable(source, ref, store.RunFooterSchema);
  if (run.footer.version !== 1) throw corrupt(run.key, `version ${run.footer.version} of a run is not known`);
  return run;
}

/** Which datums the run is about. */
export async function readRunHeader(source: Store, ref: store.TableRef): Promise<store.ResultHeader> {
  const { key, footer } = await openRun(source, ref);
  if (footer.header === undefined) throw corrupt(key, "it has no header");
  return footer.header;
}

/** Rows of the datums in [from, to), in order. */
export async function* readRunRows(
  run: Run,
  range: { readonly from?: bigint; readonly to?: bigint } = {},
): AsyncGenerator<store.DatumRow, void, void> {
  const from = range.from === undefined ? undefined : indexKey(range.from);
  const to = range.to === undefined ? undefined : indexKey(range.to);
  yield* readSection(run, run.footer.datums, datumRecords, { from, to });
}

/** What the datums wrote at paths in [from, to), by path, then datum. */
export async function* readRunFiles(
  run: Run,
  range: { readonly from?: string; readonly to?: string } = {},
): AsyncGenerator<store.FileEntry, void, void> {
  const from = range.from === undefined ? undefined : utf8(range.from);
  const to = range.to === undefined ? undefined : utf8(range.to);
  yield* readSection(run, run.footer.files, fileRecords, { from, to });
}
