// The network policies, without a network that enforces them: every connection that Sheaf needs is allowed at both ends, and no other
// one that a policy could forbid.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectionsOf, NEEDED } from "./connections.ts";
import { type Manifest, readFolders, withSources } from "./documents.ts";
import { mayConnect } from "./network.ts";

const folders = readFolders();
const names = { services: "sheaf", workers: "sheaf-workers" };

for (const overlay of folders.filter(({ name }) => name.startsWith("overlays/"))) {
  const manifests = withSources(overlay, folders).flatMap(({ resources }) => resources);
  it(`network policies of ${overlay.name}: what is needed is allowed, and nothing else`, () => {
    assert.deepEqual(connectionsOf(manifests, names), NEEDED[overlay.name]);
  });
}

describe("network policies: the check itself", () => {
  const pod = (namespace: string, labels = {}) => ({
    name: "p",
    namespace,
    labels,
    ports: [{ name: "a", containerPort: 1 }],
  });
  const policy = (spec: object): Manifest => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "x", namespace: "n" },
    spec,
  });

  it("allows all without a policy, and nothing with an empty one", () => {
    const may = (...policies: Manifest[]) => mayConnect(policies, pod("m"), pod("n"), { number: 1 });
    assert.equal(may(), true);
    assert.equal(may(policy({ podSelector: {}, policyTypes: ["Ingress"] })), false);
    assert.equal(may(policy({ podSelector: { matchLabels: { other: "1" } }, policyTypes: ["Ingress"] })), true);
  });

  it("asks both ends, for the port by its name, and takes a pod's own namespace where none is named", () => {
    const ingress = (from: object, port: string | number) =>
      policy({ podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from: [from], ports: [{ port }] }] });
    const may = (one: Manifest, namespace = "n") =>
      mayConnect([one], pod(namespace, { l: "1" }), pod("n"), { number: 1 });
    const all = { podSelector: { matchLabels: { l: "1" } } };
    assert.equal(may(ingress(all, "a")), true);
    assert.equal(may(ingress(all, "b")), false);
    assert.equal(may(ingress(all, 1), "m"), false);
    assert.equal(may(ingress({ ...all, namespaceSelector: {} }, 1), "m"), true);
    const shut = policy({ podSelector: {}, policyTypes: ["Egress"] });
    assert.equal(mayConnect([shut, ingress(all, 1)], pod("n", { l: "1" }), pod("n"), { number: 1 }), false);
  });

  it("knows a block of addresses and what is excepted from it, and refuses what it does not know", () => {
    const ipBlock = { cidr: "0.0.0.0/0", except: ["10.0.0.0/8"] };
    const out = policy({ podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [{ ipBlock }] }] });
    const may = (address: string) => mayConnect([out], pod("n"), { name: "o", address }, { number: 443 });
    assert.deepEqual([may("203.0.113.1"), may("10.1.1.1")], [true, false]);
    const strange = policy({ podSelector: { matchFields: {} }, policyTypes: ["Egress"] });
    assert.throws(() => mayConnect([strange], pod("n"), pod("n"), { number: 1 }), /matchFields/);
  });
});
