// The manifests of deploy/kubernetes without a cluster: what a cluster would refuse, and what it would take and not do.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Folder, type Manifest, readFolders, withSources } from "./documents.ts";
import { faultsOf } from "./schema.ts";

// biome-ignore lint/suspicious/noExplicitAny: objects of the API, checked against their schema first
type Loose = any;

const folders = readFolders();
const overlays = folders.filter(({ name }) => name.startsWith("overlays/"));
const nameOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`;

interface Workload {
  readonly name: string;
  readonly namespace: string;
  readonly template: Loose;
  readonly containers: readonly Loose[];
}

function workloadsOf(manifests: readonly Manifest[]): Workload[] {
  return manifests
    .filter(({ spec }) => spec?.template?.spec?.containers !== undefined)
    .map((each) => {
      const { template } = each.spec;
      const containers = [...(template.spec.initContainers ?? []), ...template.spec.containers];
      return { name: nameOf(each), namespace: each.metadata.namespace ?? "", template, containers };
    });
}

/** The variables that a service says it takes. */
function variablesOf(service: string): string[] {
  const main = join(import.meta.dirname, "..", "..", "services", service, "src", "main.ts");
  const help = execFileSync(process.execPath, [main, "--help"], { encoding: "utf8" });
  return [...help.matchAll(/\(env\s+(SHEAF_\w+)/g)].map(([, name = ""]) => name);
}
const known = { "sheaf-master": variablesOf("master"), "sheaf-merge": variablesOf("merge") };

const all = (folder: Folder) => withSources(folder, folders).flatMap(({ resources }) => resources);

describe("manifests: each file", () => {
  for (const { name, files, kustomization, resources, patches } of folders) {
    it(`${name}: every file is named by its kustomization`, () => {
      const { resources: named = [], patches: patching = [] } = kustomization;
      const inFolder = [...named.filter((path) => !path.startsWith("..")), ...patching.map(({ path }) => path)];
      assert.deepEqual([...files].sort(), inFolder.sort());
    });
    for (const manifest of resources) {
      it(`${name}: ${nameOf(manifest)} is as its kind says`, () => assert.deepEqual(faultsOf(manifest, false), []));
    }
    for (const manifest of patches) {
      it(`${name}: the patch of ${nameOf(manifest)} is a part of its kind`, () =>
        assert.deepEqual(faultsOf(manifest, true), []));
    }
  }
});

for (const overlay of overlays) {
  describe(`manifests: ${overlay.name}`, () => {
    const manifests = all(overlay);
    const workloads = workloadsOf(manifests);
    const has = (kind: string, namespace: string, name: string) =>
      manifests.some((each) => nameOf(each) === `${kind} ${namespace}/${name}`);

    it("names nothing twice, and patches only what there is", () => {
      const names = manifests.map(nameOf);
      assert.deepEqual(names, [...new Set(names)]);
      for (const patch of overlay.patches) assert.ok(names.includes(nameOf(patch)), nameOf(patch));
    });

    it("runs pods that are `restricted`, with a memory limit, and with a token only where one is meant", () => {
      for (const { name, template, containers } of workloads) {
        const { securityContext: pod, automountServiceAccountToken } = template.spec;
        assert.equal(pod.runAsNonRoot, true, name);
        assert.equal(pod.seccompProfile.type, "RuntimeDefault", name);
        const mayCall = ["Deployment sheaf/sheaf-master", "Job sheaf/sheaf-install"].includes(name);
        assert.equal(automountServiceAccountToken, mayCall, name);
        for (const { name: container, securityContext, resources } of containers) {
          const what = `${name}, container ${container}`;
          assert.equal(securityContext.allowPrivilegeEscalation, false, what);
          assert.equal(securityContext.readOnlyRootFilesystem, true, what);
          assert.deepEqual(securityContext.capabilities.drop, ["ALL"], what);
          if (template.spec.initContainers?.some((each: Loose) => each.name === container)) continue;
          assert.ok(resources.limits.memory && resources.requests.cpu && resources.requests.memory, what);
        }
      }
    });

    it("has no image without a version", () => {
      const named = withSources(overlay, folders).flatMap(({ kustomization }) => kustomization.images ?? []);
      for (const { name, containers } of workloads) {
        for (const { image } of containers) {
          const found = named.find((each) => each.name === image);
          assert.ok(found !== undefined && found.newTag !== "latest", `${name}: ${image}`);
        }
      }
    });

    it("probes every server, at a port that it has", () => {
      for (const { name, containers, template } of workloads) {
        if (name.startsWith("Job ")) continue;
        for (const { readinessProbe, ports } of template.spec.containers as typeof containers) {
          const port = readinessProbe?.grpc?.port ?? readinessProbe?.httpGet?.port;
          const known = ports.flatMap((each: Loose) => [each.name, each.containerPort]);
          assert.ok(known.includes(port), `${name}: ${port}`);
        }
      }
    });

    it("selects pods that there are, at ports that they have", () => {
      const matches = (selector: Loose, namespace: string) =>
        workloads.filter(
          (each) =>
            each.namespace === namespace &&
            Object.entries(selector ?? {}).every(([key, value]) => each.template.metadata.labels[key] === value),
        );
      for (const each of manifests) {
        const namespace = each.metadata.namespace ?? "";
        if (each.kind === "Service") {
          const found = matches(each.spec.selector, namespace);
          assert.equal(found.length, 1, nameOf(each));
          const names = found[0]?.template.spec.containers.flatMap((one: Loose) =>
            one.ports.map((port: Loose) => port.name),
          );
          for (const { targetPort } of each.spec.ports)
            assert.ok(names.includes(targetPort), `${nameOf(each)}: ${targetPort}`);
        }
        if (each.kind === "PodDisruptionBudget" || each.kind === "NetworkPolicy") {
          const { matchLabels } = each.spec.selector ?? each.spec.podSelector;
          if (matchLabels !== undefined) assert.equal(matches(matchLabels, namespace).length, 1, nameOf(each));
        }
      }
    });

    it("refers to service accounts, roles and subjects that there are", () => {
      for (const { name, namespace, template } of workloads) {
        const account = template.spec.serviceAccountName;
        if (account !== undefined) assert.ok(has("ServiceAccount", namespace, account), `${name}: ${account}`);
      }
      for (const each of manifests.filter(({ kind }) => kind.endsWith("RoleBinding"))) {
        const { kind, name } = each["roleRef"];
        assert.ok(has(kind, kind === "Role" ? (each.metadata.namespace ?? "") : "", name), nameOf(each));
        for (const subject of each["subjects"])
          assert.ok(has(subject.kind, subject.namespace, subject.name), nameOf(each));
      }
    });

    it("gives services only variables that they know", () => {
      const shared = withSources(overlay, folders).flatMap(({ kustomization }) =>
        (kustomization.configMapGenerator ?? []).flatMap(({ literals }) =>
          literals.map((each) => each.split("=")[0] ?? ""),
        ),
      );
      for (const [program, names] of Object.entries(known)) {
        const workload = workloads.find((each) => each.name === `Deployment sheaf/${program}`);
        const own = workload?.containers.flatMap(({ env }) => env.map((each: Loose) => each.name as string)) ?? [];
        const given = [...shared, ...own].filter((name) => name.startsWith("SHEAF_"));
        assert.ok(given.length >= 10);
        assert.deepEqual(
          given.filter((name) => !names.includes(name)),
          [],
          program,
        );
      }
    });
  });
}

describe("manifests: the check itself", () => {
  it("finds a field that does not exist, a wrong type, and a field that is missing", () => {
    const right = folders.flatMap(({ resources }) => resources).find(({ kind }) => kind === "Deployment") as Loose;
    const wrong = structuredClone(right);
    wrong.spec.template.spec.containers[0].comand = ["x"];
    assert.match(faultsOf(wrong, false).join(), /containers\/0.*comand/);
    assert.match(faultsOf({ ...right, spec: { ...right.spec, replicas: "two" } }, false).join(), /replicas.*integer/);
    assert.match(faultsOf({ ...right, spec: { replicas: 2 } }, false).join(), /selector/);
    assert.match(faultsOf({ ...right, kind: "Deploiment" }, false).join(), /Deploiment/);
  });

  it("reads what kustomize would: all overlays stand on the base", () => {
    assert.deepEqual(overlays.map(({ name }) => name).sort(), [
      join("overlays", "production"),
      join("overlays", "try"),
    ]);
    for (const overlay of overlays) assert.ok(all(overlay).length > 15);
  });
});
