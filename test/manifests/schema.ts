// Checks an object against Kubernetes' own description of its kind: kubernetes.json, made by main.ts. Unknown fields are refused.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import type { Manifest } from "./documents.ts";

interface Definition {
  readonly "x-kubernetes-group-version-kind"?: readonly { group: string; version: string; kind: string }[];
}

const file = join(import.meta.dirname, "kubernetes.json");
const { definitions } = JSON.parse(readFileSync(file, "utf8")) as { definitions: Record<string, Definition> };
const ajv = new Ajv({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "kubernetes", definitions });

/** What is wrong with it, each with its path; empty when it is right. A patch is a part of an object: nothing is required of it. */
export function faultsOf(manifest: Manifest, isPatch: boolean): readonly string[] {
  const validate = validatorOf(manifest);
  if (validate === undefined)
    return [`${manifest.apiVersion} ${manifest.kind} is not among the kinds of kubernetes.json`];
  if (validate(manifest)) return [];
  const faults = (validate.errors ?? []).filter(({ keyword }) => !isPatch || keyword !== "required");
  return faults.map(({ instancePath, message, params }) => `${instancePath}: ${message} ${JSON.stringify(params)}`);
}

function validatorOf({ apiVersion, kind }: Manifest): ValidateFunction | undefined {
  for (const [name, definition] of Object.entries(definitions)) {
    const [known] = definition["x-kubernetes-group-version-kind"] ?? [];
    const its = known === undefined ? "" : [known.group, known.version].filter(Boolean).join("/");
    if (known?.kind === kind && its === apiVersion) return ajv.getSchema(`kubernetes#/definitions/${name}`);
  }
  return undefined;
}
