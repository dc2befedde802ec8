// The manifests as they stand in deploy/kubernetes: every document of every file, by folder, and the kustomization of each.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { parseAllDocuments } from "yaml";

const ROOT = join(import.meta.dirname, "..", "..", "deploy", "kubernetes");

/** Any object of the API, as far as these checks look into it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  // biome-ignore lint/suspicious/noExplicitAny: what may be in it is checked against the schema of its kind
  readonly [field: string]: any;
}

export interface Kustomization {
  readonly resources?: readonly string[];
  readonly components?: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
  readonly images?: readonly { readonly name: string; readonly newName: string; readonly newTag: string }[];
  readonly configMapGenerator?: readonly { readonly name: string; readonly literals: readonly string[] }[];
}

export interface Folder {
  /** Below deploy/kubernetes: "base". */
  readonly name: string;
  readonly kustomization: Kustomization;
  /** Its files, without the kustomization. */
  readonly files: readonly string[];
  /** What its kustomization names as resources. */
  readonly resources: readonly Manifest[];
  /** Patches: parts of objects. */
  readonly patches: readonly Manifest[];
}

/** The folders that have a kustomization. Throws for a file that is no YAML, or that has one key twice. */
export function readFolders(): readonly Folder[] {
  return foldersBelow(ROOT).map((path) => {
    const kustomization = read(join(path, "kustomization.yaml"))[0] as unknown as Kustomization;
    const inFiles = (files: readonly string[]) =>
      files.filter((file) => statSync(join(path, file)).isFile()).flatMap((file) => read(join(path, file)));
    return {
      name: relative(ROOT, path),
      kustomization,
      files: readdirSync(path).filter((file) => file !== "kustomization.yaml" && statSync(join(path, file)).isFile()),
      resources: inFiles(kustomization.resources ?? []),
      patches: inFiles((kustomization.patches ?? []).map((patch) => patch.path)),
    };
  });
}

/** All objects of the tree that `folder` stands on, its own and those below it. */
export function withSources(folder: Folder, all: readonly Folder[]): readonly Folder[] {
  const named = [...(folder.kustomization.resources ?? []), ...(folder.kustomization.components ?? [])];
  const names = named.map((path) => join(folder.name, path));
  return [folder, ...all.filter(({ name }) => names.includes(name)).flatMap((each) => withSources(each, all))];
}

function foldersBelow(path: string): string[] {
  const entries = readdirSync(path, { withFileTypes: true });
  const here = entries.some(({ name }) => name === "kustomization.yaml") ? [path] : [];
  return [
    ...here,
    ...entries.filter((each) => each.isDirectory()).flatMap(({ name }) => foldersBelow(join(path, name))),
  ];
}

function read(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(file, "utf8"), { uniqueKeys: true }).map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw new Error(`${file}: ${problem.message}`);
    return document.toJS() as Manifest;
  });
}
