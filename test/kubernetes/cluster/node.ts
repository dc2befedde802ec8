/** A node: containerd, kubelet and kube-proxy in namespaces of their own. It can lose its power and come back. */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Programs } from "../programs.ts";
import { makeGroups, removeGroups } from "./cgroups.ts";
import type { ControlPlane } from "./control-plane.ts";
import { Daemon } from "./daemon.ts";
import { namespaceOf, nodeAddress, nodeName, plugIn, unplug } from "./network.ts";
import { socketOf, writeNodeFiles } from "./node-files.ts";

const run = promisify(execFile);
const READY_MS = 120_000;

export class Node {
  readonly #node: number;
  readonly #count: number;
  readonly #folder: string;
  readonly #programs: Programs;
  readonly #plane: ControlPlane;
  readonly #loaded = new Set<string>();
  #power: Daemon | undefined;

  private constructor(node: number, count: number, folder: string, programs: Programs, plane: ControlPlane) {
    this.#node = node;
    this.#count = count;
    this.#folder = join(folder, nodeName(node));
    this.#programs = programs;
    this.#plane = plane;
  }

  /** Node `node` of `count`, counted from 1; it is off. */
  static async make(node: number, count: number, folder: string, programs: Programs, plane: ControlPlane) {
    const made = new Node(node, count, folder, programs, plane);
    const { certificates, server } = plane;
    const name = nodeName(node);
    const names = [`DNS:${name}`, `IP:${nodeAddress(node)}`];
    const own = await certificates.sign(name, `/O=system:nodes/CN=system:node:${name}`, names);
    const proxyKubeconfig = await certificates.kubeconfig(`proxy-${name}`, "/CN=system:kube-proxy", server);
    mkdirSync(made.#folder);
    writeNodeFiles({ folder: made.#folder, node, ca: certificates.ca.cert, serving: own, proxyKubeconfig });
    copyFileSync(certificates.kubeconfigOf(name, own, server), join(made.#folder, "kubelet.kubeconfig"));
    return made;
  }

  get isOn(): boolean {
    return this.#power !== undefined;
  }

  /** Switches it on. `images` are loaded when its containerd answers; a node that was on before has them. */
  async start(images: readonly string[]): Promise<void> {
    if (this.#power !== undefined) throw new Error(`${nodeName(this.#node)} is on`);
    await plugIn(this.#node, this.#count);
    makeGroups(this.#node);
    const script = join(import.meta.dirname, "node.sh");
    const spaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--ipc", "--uts"];
    const args = [this.#folder, this.#programs.kubernetes, nodeName(this.#node), nodeAddress(this.#node)];
    this.#power = new Daemon(
      nodeName(this.#node),
      ["nsenter", `--net=/run/netns/${namespaceOf(this.#node)}`, "unshare", ...spaces, "sh", script, ...args],
      join(this.#folder, "node.log"),
    );
    await this.#power.until(() => this.#answers(), "containerd answers", READY_MS);
    for (const image of images) await this.load(image);
  }

  async ready(): Promise<void> {
    await this.#power?.until(
      () => this.#isReady(),
      `${nodeName(this.#node)} is Ready (logs: ${this.#folder})`,
      READY_MS,
    );
  }

  /** Loads an OCI archive, once: its disk outlives the power. */
  async load(image: string): Promise<void> {
    if (this.#loaded.has(image)) return;
    await this.#ctr("images", "import", image);
    this.#loaded.add(image);
  }

  /** It loses its power: every process at once, without a word to anybody. */
  async kill(): Promise<void> {
    await this.#power?.endChild();
    this.#power = undefined;
    await unplug(this.#node);
    await removeGroups(this.#node);
  }

  async #answers(): Promise<boolean> {
    return await this.#ctr("version").then(
      () => true,
      () => false,
    );
  }

  async #isReady(): Promise<boolean> {
    const found = (await this.#plane.api(`/api/v1/nodes/${nodeName(this.#node)}`)) as
      | { status: { conditions?: { type: string; status: string }[] } }
      | undefined;
    return found?.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
  }

  /** It dies with us: it would wait for ever for a containerd that has. */
  #ctr(...args: string[]) {
    const flags = ["--address", socketOf(this.#folder), "--namespace", "k8s.io"];
    return run("setpriv", ["--pdeathsig", "KILL", "--", "ctr", ...flags, ...args]);
  }
}
