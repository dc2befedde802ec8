// All connections that the network policies of an overlay leave possible between those who could want one, and those that there are to be.

import type { Manifest } from "./documents.ts";
import { type End, mayConnect, type Pod, type Port } from "./network.ts";

/** The label by which cluster's name service is found, everywhere. */
const DNS: Pod = { name: "dns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" }, ports: [] };
/** Somebody else's pod in the same cluster. */
const STRANGER: Pod = { name: "stranger", namespace: "default", labels: {}, ports: [{ containerPort: 80 }] };
const OUTSIDE: readonly End[] = [
  { name: "internet", address: "203.0.113.7" },
  { name: "private network", address: "10.1.2.3" },
  { name: "metadata", address: "169.254.169.254" },
];

/** `A -> B:PORT`, sorted. Those of pods that may go anywhere are left out where they go outside of Sheaf. */
export function connectionsOf(
  manifests: readonly Manifest[],
  { services, workers }: { readonly services: string; readonly workers: string },
): string[] {
  const worker = workerIn(workers);
  const own = podsOf(manifests, services);
  const found: string[] = [];
  const look = (from: End, to: End, port: Port) => {
    const at = port.protocol === "UDP" ? `${port.number}/udp` : port.number;
    if (mayConnect(manifests, from, to, port)) found.push(`${from.name} -> ${to.name}:${at}`);
  };
  for (const from of [...own, worker, STRANGER, ...OUTSIDE])
    for (const to of [...own, worker]) for (const { containerPort: number } of to.ports) look(from, to, { number });
  for (const to of [DNS, STRANGER, ...OUTSIDE]) {
    for (const number of [53, 80, 443]) look(worker, to, { number });
    look(worker, to, { number: 53, protocol: "UDP" });
  }
  return found.sort();
}

/** Its labels are those of pod.ts; its port is one that a command opens. */
export function workerIn(namespace: string): Pod {
  const labels = { "app.kubernetes.io/name": "sheaf", "app.kubernetes.io/component": "worker" };
  return { name: "worker", namespace, labels, ports: [{ containerPort: 8080 }] };
}

export function podsOf(manifests: readonly Manifest[], namespace: string): Pod[] {
  return manifests
    .filter(({ spec, metadata }) => spec?.template?.spec?.containers !== undefined && metadata.namespace === namespace)
    .map(({ metadata, spec }) => ({
      name: metadata.name,
      namespace,
      labels: spec.template.metadata.labels,
      ports: spec.template.spec.containers.flatMap((each: { ports?: Pod["ports"] }) => each.ports ?? []),
    }));
}

/** Any pod of the cluster may call the public API; what it may do there says its token. */
const callers = (...names: string[]) => names.map((name) => `${name} -> sheaf-master:7450`);
/** What there has to be with an etcd inside, and what of it: `store` is where the workers' data lie. */
const needed = (store: string, clients: readonly string[], users: readonly string[]) =>
  [
    ...callers("etcd", "sheaf-master", "sheaf-merge", "stranger", ...users),
    ...clients.map((name) => `${name} -> ${store}`),
    ...["sheaf-master -> etcd:2379", "sheaf-merge -> etcd:2379", "etcd -> etcd:2380"],
    ...["worker -> sheaf-master:7451", "worker -> sheaf-merge:7452", "worker -> dns:53", "worker -> dns:53/udp"],
  ].sort();

/** By overlay: all that may be. */
export const NEEDED: Readonly<Record<string, readonly string[]>> = {
  "overlays/try": needed("s3:9000", ["sheaf-master", "sheaf-merge", "worker"], ["s3", "sheaf-install"]),
  // The store is outside, where masters and merge replicas may go without being asked.
  "overlays/production": needed("internet:443", ["worker"], []),
};
