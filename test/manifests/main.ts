// Takes out of Kubernetes' own description of its API what the manifests are checked against: `kubernetes.json` in this folder.
//
//     node test/manifests/main.ts SWAGGER
//
// SWAGGER is api/openapi-spec/swagger.json of the module k8s.io/kubernetes, in the version that deploy/local/kubernetes names.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Schema {
  readonly [key: string]: unknown;
}

/** The kinds that the manifests use, and may come to use. */
const KINDS = [
  ...["apps.v1.Deployment", "apps.v1.StatefulSet", "batch.v1.Job", "core.v1.Namespace", "core.v1.Service"],
  ...["core.v1.ServiceAccount", "core.v1.ConfigMap", "core.v1.Secret", "core.v1.Pod", "rbac.v1.Role"],
  ...["rbac.v1.RoleBinding", "rbac.v1.ClusterRole", "rbac.v1.ClusterRoleBinding", "networking.v1.NetworkPolicy"],
  ...["policy.v1.PodDisruptionBudget"],
].map((kind) => `io.k8s.api.${kind}`);

const [swagger] = process.argv.slice(2);
if (swagger === undefined) throw new Error("name the swagger.json of k8s.io/kubernetes");
const { definitions } = JSON.parse(readFileSync(swagger, "utf8")) as { definitions: Record<string, Schema> };

/** What is a string there, says the description; the API takes numbers as well. */
const TYPES: Record<string, Schema> = {
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": { type: ["string", "integer"] },
  "io.k8s.apimachinery.pkg.api.resource.Quantity": { type: ["string", "number"] },
};

const kept = new Map<string, Schema>();
for (const kind of KINDS) keep(kind);
const sorted = Object.fromEntries([...kept].sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(join(import.meta.dirname, "kubernetes.json"), `${JSON.stringify({ definitions: sorted })}\n`);

/** A definition and all that it names, without the prose, and with nothing beside what it names. */
function keep(name: string): void {
  if (kept.has(name)) return;
  const definition = TYPES[name] ?? definitions[name];
  if (definition === undefined) throw new Error(`${swagger} has no ${name}`);
  kept.set(name, definition);
  const schema = JSON.parse(
    JSON.stringify(definition, (key, value) => (key === "description" ? undefined : value)),
    (key, value) => {
      if (key === "$ref") keep(String(value).replace("#/definitions/", ""));
      return value;
    },
  ) as Schema;
  kept.set(name, "properties" in schema ? { additionalProperties: false, ...schema } : schema);
}
