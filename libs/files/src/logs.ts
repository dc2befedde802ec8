/** Logs of datums: one LogLines message each, as bytes of a pack like any file. */
import { create, toBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { decode, packKey } from "./object.ts";
import type { PackWriter } from "./pack/pack-writer.ts";
import { readSegments } from "./pack/segment-reader.ts";

/** Adds the lines to the pack; undefined when there are none. The reference holds once the pack is closed. */
export function writeLog(pack: PackWriter, lines: readonly store.LogLine[]): store.LogRef | undefined {
  if (lines.length === 0) return undefined;
  const bytes = toBinary(store.LogLinesSchema, create(store.LogLinesSchema, { version: 1, lines: [...lines] }));
  return create(store.LogRefSchema, { segments: pack.add(bytes).segments });
}

/** The lines, in order. Memory: the log (its writer bounds it, per datum). */
export async function readLog(source: Store, ref: store.LogRef | undefined): Promise<readonly store.LogLine[]> {
  const segments = ref?.segments ?? [];
  const [first] = segments;
  if (first === undefined) return [];
  const pieces: Uint8Array[] = [];
  for await (const piece of readSegments(source, segments)) pieces.push(piece);
  return decode(store.LogLinesSchema, Buffer.concat(pieces), packKey(first.pack)).lines;
}
