// Who may open a connection to whom, by what the network policies among some manifests say. Pure: the rules of Kubernetes, as far as
// our policies use them; what they do not use yet is refused, so that nothing is taken for checked that is not.

import { BlockList } from "node:net";
import type { Manifest } from "./documents.ts";

export interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly { readonly name?: string; readonly containerPort: number }[];
}

/** An end of a connection: a pod, or an address that is no pod's. */
export type End = Pod | { readonly name: string; readonly address: string };

/** TCP unless it says otherwise. */
export interface Port {
  readonly number: number;
  readonly protocol?: "TCP" | "UDP";
}

type Direction = "Ingress" | "Egress";
interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values: string[] }[];
}
interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}
interface Rule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly port: number | string; readonly protocol?: string }[];
}
interface Policy {
  readonly podSelector: Selector;
  readonly policyTypes: readonly Direction[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

/** Both ends have to allow it. */
export function mayConnect(manifests: readonly Manifest[], from: End, to: End, port: Port): boolean {
  return (
    endAllows(manifests, "Egress", from, (rule) => rule.to, to, to, port) &&
    endAllows(manifests, "Ingress", to, (rule) => rule.from, from, to, port)
  );
}

/** A pod that no policy of this direction selects may do all; else what one of them allows. */
function endAllows(
  manifests: readonly Manifest[],
  direction: Direction,
  self: End,
  peersOf: (rule: Rule) => readonly Peer[] | undefined,
  other: End,
  server: End,
  port: Port,
): boolean {
  if (!("labels" in self)) return true;
  const policies = manifests
    .filter(({ kind, metadata }) => kind === "NetworkPolicy" && metadata.namespace === self.namespace)
    .map(({ spec }) => spec as Policy)
    .filter((policy) => policy.policyTypes.includes(direction) && selects(policy.podSelector, self.labels));
  if (policies.length === 0) return true;
  const rules = policies.flatMap((policy) => (direction === "Egress" ? policy.egress : policy.ingress) ?? []);
  return rules.some((rule) => {
    const peers = peersOf(rule);
    return (peers?.some((peer) => isPeer(peer, other, self)) ?? true) && isPort(rule, server, port);
  });
}

function isPeer({ podSelector, namespaceSelector, ipBlock, ...more }: Peer, other: End, self: Pod): boolean {
  refuse(more);
  if (ipBlock !== undefined) return "address" in other && isIn(ipBlock, other.address);
  if (!("labels" in other)) return false;
  const inNamespace =
    namespaceSelector === undefined
      ? other.namespace === self.namespace
      : selects(namespaceSelector, { "kubernetes.io/metadata.name": other.namespace });
  return inNamespace && selects(podSelector ?? {}, other.labels);
}

function isPort({ ports }: Rule, server: End, { number, protocol = "TCP" }: Port): boolean {
  if (ports === undefined) return true;
  return ports.some(({ port, protocol: allowed = "TCP", ...more }) => {
    refuse(more);
    if (allowed !== protocol) return false;
    if (typeof port === "number") return port === number;
    return "ports" in server && server.ports.some((each) => each.name === port && each.containerPort === number);
  });
}

function selects({ matchLabels = {}, matchExpressions = [], ...more }: Selector, labels: Pod["labels"]): boolean {
  refuse(more);
  const isSo = ({ key, operator, values }: NonNullable<Selector["matchExpressions"]>[number]) => {
    if (operator !== "In") throw new Error(`this check does not know the operator ${operator}`);
    return values.includes(labels[key] ?? "");
  };
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value) && matchExpressions.every(isSo);
}

function isIn({ cidr, except = [] }: NonNullable<Peer["ipBlock"]>, address: string): boolean {
  const list = (nets: readonly string[]) => {
    const blocks = new BlockList();
    for (const net of nets) {
      const [base = "", bits = ""] = net.split("/");
      blocks.addSubnet(base, Number(bits));
    }
    return blocks;
  };
  return list([cidr]).check(address) && !list(except).check(address);
}

function refuse(more: object): void {
  const [field] = Object.keys(more);
  if (field !== undefined) throw new Error(`this check does not know the field ${field}`);
}
