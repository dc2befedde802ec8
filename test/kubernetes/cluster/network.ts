/**
 * The network of the nodes: a bridge on this machine, and for each node a network namespace with one leg on it. Nothing of it
 * leaves the machine, and no rule or setting of the machine's own network is touched: all that Kubernetes does is inside the nodes.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { SERVICE_SUBNET } from "./control-plane.ts";

const run = promisify(execFile);
const BRIDGE = "sheaf-nodes";
/** A node's namespace, and its leg on the bridge. */
const IS_NODE = /^sheaf-node\d+$/;
/** Where pods, and nodes, reach what listens on this machine for them. */
export const HOST_ADDRESS = "10.245.0.1";
export const POD_SUBNET = "10.244.0.0/16";

/** Of nodes, counted from 1. */
export const nodeName = (node: number) => `node${node}`;
export const nodeAddress = (node: number) => `10.245.0.${10 + node}`;
export const podSubnet = (node: number) => `10.244.${node}.0/24`;
export const namespaceOf = (node: number) => `sheaf-node${node}`;

export async function makeBridge(): Promise<void> {
  await ip("link", "add", "name", BRIDGE, "type", "bridge");
  await ip("address", "add", `${HOST_ADDRESS}/24`, "dev", BRIDGE);
  await ip("link", "set", BRIDGE, "up");
}

/** Gives a node its network, new each time that it is switched on, with the ways to the pods of the others. */
export async function plugIn(node: number, nodes: number): Promise<void> {
  const space = namespaceOf(node);
  await ip("netns", "add", space);
  await ip("link", "add", space, "master", BRIDGE, "type", "veth", "peer", "name", "eth0", "netns", space);
  await ip("link", "set", space, "up");
  for (const device of ["lo", "eth0"]) await ip("-n", space, "link", "set", device, "up");
  await ip("-n", space, "address", "add", `${nodeAddress(node)}/24`, "dev", "eth0");
  await ip("-n", space, "route", "add", "default", "via", HOST_ADDRESS);
  for (let other = 1; other <= nodes; other++)
    if (other !== node) await ip("-n", space, "route", "add", podSubnet(other), "via", nodeAddress(other));
  await ip("route", "replace", podSubnet(node), "via", nodeAddress(node));
  // From this machine services are reached through the first node.
  if (node === 1) await ip("route", "replace", SERVICE_SUBNET, "via", nodeAddress(node));
}

/** The leg goes first: the kernel takes it away with the namespace, but only some time later, and its name is needed again. */
export async function unplug(node: number): Promise<void> {
  const space = namespaceOf(node);
  await ip("link", "delete", space);
  await ip("netns", "delete", space);
}

/** Removes all of it, also what a run that was killed left. */
export async function removeNetwork(): Promise<void> {
  for (const name of await names("link", "show")) if (IS_NODE.test(name)) await ip("link", "delete", name);
  for (const name of await names("netns", "list")) if (IS_NODE.test(name)) await ip("netns", "delete", name);
  if ((await names("link", "show", "type", "bridge")).includes(BRIDGE)) await ip("link", "delete", BRIDGE);
}

/** Names of what a command of `ip` lists. */
async function names(...args: string[]): Promise<string[]> {
  const { stdout } = await ip("-json", ...args);
  const all = JSON.parse(stdout || "[]") as { name?: string; ifname?: string }[];
  return all.flatMap(({ name, ifname }) => name ?? ifname ?? []);
}

function ip(...args: string[]) {
  return run("ip", args);
}
