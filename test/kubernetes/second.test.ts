// A second installation in one cluster, from the overlay in installed/second: it is the first one by other names, and they share none
// that either could break for the other. Needs no cluster, only kubectl.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { it } from "node:test";
import { parseAllDocuments } from "yaml";
import { connectionsOf, NEEDED, podsOf, workerIn } from "../manifests/connections.ts";
import type { Manifest } from "../manifests/documents.ts";
import { mayConnect } from "../manifests/network.ts";
import { describeWithKubernetes } from "./kit.ts";

const OVERLAYS = join(import.meta.dirname, "..", "..", "deploy", "kubernetes", "overlays");
/** As far as it is looked into. */
interface Container {
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly args?: readonly string[];
}
const SECOND = join(import.meta.dirname, "installed", "second");

await describeWithKubernetes("two installations in one cluster", { forNodes: false }, ({ kubernetes }) => {
  const kustomize = (folder: string) =>
    execFileSync(join(kubernetes, "kubectl"), ["kustomize", folder], { encoding: "utf8" });
  const rendered = (text: string) => parseAllDocuments(text).map((document) => document.toJS() as Manifest);
  const nameOf = ({ apiVersion, kind, metadata }: Manifest) =>
    `${apiVersion} ${kind} ${metadata.namespace ?? ""}/${metadata.name}`;

  it("have no object in common, and each names its own namespaces only", () => {
    const [first, second] = [join(OVERLAYS, "try"), SECOND].map((folder) => rendered(kustomize(folder)));
    const firsts = new Set(first?.map(nameOf));
    assert.equal(second?.length, firsts.size);
    assert.deepEqual(
      second?.map(nameOf).filter((name) => firsts.has(name)),
      [],
    );
    const namespaces = new Set(second?.flatMap(({ metadata }) => metadata.namespace ?? []));
    assert.deepEqual([...namespaces].sort(), ["blue", "blue-workers"]);
  });

  it("are alike but for the names: nothing of the first is left in the second", () => {
    const text = kustomize(join(OVERLAYS, "try"));
    const renamed = text
      .replaceAll(/\bsheaf-workers\b/g, "blue-workers")
      .replaceAll(/\bsheaf-nodes\b/g, "blue-nodes")
      .replaceAll(/(namespace: |metadata\.name: |(?:etcd|s3)\.)sheaf\b/g, "$1blue")
      .replaceAll(/(kind: Namespace\nmetadata:\n(?:.*\n)*? {2}name: )sheaf\n/g, "$1blue\n");
    // The name of the ConfigMap carries a hash of what is in it, and lists are sorted by name.
    const lines = (yaml: string) =>
      yaml
        .replaceAll(/(sheaf-config)-\w+/g, "$1")
        .split("\n")
        .sort();
    assert.deepEqual(lines(kustomize(SECOND)), lines(renamed));
  });

  it("give no container a variable before those that it is made of", () => {
    for (const folder of [join(OVERLAYS, "try"), join(OVERLAYS, "production"), SECOND]) {
      for (const { metadata, spec } of rendered(kustomize(folder))) {
        const { containers = [], initContainers = [] } = spec?.template?.spec ?? {};
        for (const { env = [], args = [] } of [...containers, ...initContainers] as Container[]) {
          const known = new Set<string>();
          const check = (text: string) => {
            for (const [, name = ""] of text.matchAll(/\$\((\w+)\)/g))
              assert.ok(known.has(name), `${metadata.name}: ${text}`);
          };
          for (const { name, value = "" } of env) {
            check(value);
            known.add(name);
          }
          for (const arg of args) check(arg);
        }
      }
    }
  });

  it("leave each other alone: by the network policies one reaches of the other the public API, its workers not even that", () => {
    const both = [join(OVERLAYS, "try"), SECOND].flatMap((folder) => rendered(kustomize(folder)));
    const names = [
      { services: "sheaf", workers: "sheaf-workers" },
      { services: "blue", workers: "blue-workers" },
    ];
    for (const each of names) assert.deepEqual(connectionsOf(both, each), NEEDED["overlays/try"]);
    const [first = [], second = []] = names.map((each) => [...podsOf(both, each.services), workerIn(each.workers)]);
    for (const [own, others] of [
      [first, second],
      [second, first],
    ]) {
      for (const from of own ?? [])
        for (const to of others ?? [])
          for (const { containerPort: number } of to.ports) {
            const isApi = number === 7450 && from.name !== "worker";
            assert.equal(mayConnect(both, from, to, { number }), isApi, `${from.name} -> ${to.name}:${number}`);
          }
    }
  });
});
