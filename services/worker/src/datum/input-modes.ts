// How the files of an input come to the command. Pure.

import type { api, store } from "@sheaf/proto";

/** `names`: empty files with the right names (empty_files). `lazy`: FIFOs that are fed when they are opened. */
export type InputMode = "content" | "names" | "lazy";

/** The modes of all inputs of a spec, by their names. */
export function inputModes(input: api.Input | undefined, modes: Map<string, InputMode> = new Map()) {
  if (input === undefined) return modes;
  const { pfs, cross, union, join, group } = input;
  if (pfs !== undefined) modes.set(pfs.name || pfs.repo, pfs.emptyFiles ? "names" : pfs.lazy ? "lazy" : "content");
  for (const inner of [...cross, ...union, ...join, ...group]) inputModes(inner, modes);
  return modes;
}

/** A file of a datum. */
export interface InputFile {
  /** Below pfs/: "in/a/b". */
  readonly path: string;
  readonly entry: store.FileEntry;
  readonly mode: InputMode;
}

export function inputFiles(datum: store.Datum, modes: ReadonlyMap<string, InputMode>): InputFile[] {
  return datum.inputs.flatMap(({ name, files }) =>
    files.map((entry) => ({ path: `${name}${entry.path}`, entry, mode: modes.get(name) ?? "content" })),
  );
}

/** The content of files that are not here, by their paths; undefined when all is here. */
export function absentFiles(
  datum: store.Datum,
  modes: ReadonlyMap<string, InputMode>,
): ((path: string) => store.FileEntry | undefined) | undefined {
  if (datum.inputs.every(({ name }) => (modes.get(name) ?? "content") === "content")) return undefined;
  let entries: Map<string, store.FileEntry> | undefined;
  return (path) => {
    entries ??= new Map(
      inputFiles(datum, modes)
        .filter(({ mode }) => mode !== "content")
        .map((file) => [file.path, file.entry]),
    );
    return entries.get(path);
  };
}
