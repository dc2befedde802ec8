/** A real Kubernetes on this machine, for tests. Without nodes it takes neither root nor a turn. */
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Programs } from "../programs.ts";
import { ControlPlane, NODE_LOSS } from "./control-plane.ts";
import type { Daemon } from "./daemon.ts";
import { type Ground, makeGround } from "./ground.ts";
import { HOST_ADDRESS } from "./network.ts";
import { Node } from "./node.ts";
import { allReady, playedNodes, startPlayer } from "./played-nodes.ts";

export interface ClusterOptions {
  readonly programs: Programs;
  /** Default 1. With 0 nothing runs the pods: for fake nodes, or a test that plays the node. */
  readonly nodes?: number;
  /** OCI archives that every node has from the start; the pause image is among them. */
  readonly images?: readonly string[];
  /** More flags of the controller manager. A node that is lost is noticed after 10 s unless they say otherwise. */
  readonly controllerFlags?: readonly string[];
}

export class Cluster {
  /** Where pods reach what a test starts on this machine (with nodes; listen there). */
  readonly hostAddress = HOST_ADDRESS;
  /** Logs lie in `log/` and `node1/`. It goes when the cluster stops. */
  readonly folder: string;
  readonly #programs: Programs;
  #plane: ControlPlane | undefined;
  #player: Daemon | undefined;
  readonly #nodes: Node[] = [];
  readonly #ground: Ground | undefined;
  readonly #images: string[];

  private constructor(folder: string, ground: Ground | undefined, { programs, images = [] }: ClusterOptions) {
    this.folder = folder;
    this.#programs = programs;
    this.#ground = ground;
    this.#images = [...images];
  }

  /** Resolves when every node is Ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const { programs, nodes = 1, controllerFlags = [] } = options;
    const ground = nodes > 0 ? await makeGround() : undefined;
    const folder = ground?.folder ?? mkdtempSync(join(tmpdir(), "sheaf-kubernetes-"));
    const cluster = new Cluster(folder, ground, options);
    try {
      const address = nodes > 0 ? HOST_ADDRESS : "127.0.0.1";
      const flags = [...(nodes > 0 ? NODE_LOSS : []), ...controllerFlags];
      const plane = await ControlPlane.start({ folder, programs, address, controllerFlags: flags });
      cluster.#plane = plane;
      const all = Array.from({ length: nodes }, (_, i) => Node.make(i + 1, nodes, folder, programs, plane));
      cluster.#nodes.push(...(await Promise.all(all)));
      // Of all: one that fails must leave none behind that is only just being switched on.
      const started = await Promise.allSettled(cluster.#nodes.map((node) => node.start(cluster.#images)));
      for (const each of started) if (each.status === "rejected") throw each.reason;
      await Promise.all(cluster.#nodes.map((node) => node.ready()));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Of the administrator; a file that carries all that it needs. */
  get kubeconfig(): string {
    if (this.#plane === undefined) throw new Error("the cluster does not run");
    return this.#plane.kubeconfig;
  }

  /** What kubectl prints; `input` is what it reads for `-f -`. */
  kubectl(args: readonly string[], input = ""): Promise<string> {
    const argv = [`--kubeconfig=${this.kubeconfig}`, ...args];
    return new Promise((resolve, reject) => {
      const options = { maxBuffer: 64 << 20 };
      const child = execFile(join(this.#programs.kubernetes, "kubectl"), argv, options, (error, stdout, stderr) =>
        error ? reject(new Error(`kubectl ${args.join(" ")}: ${stderr.trim() || error.message}`)) : resolve(stdout),
      );
      child.stdin?.end(input);
    });
  }

  /** Watches objects (the arguments of `kubectl get`), a line for each change, until what it resolves to is called: when the API has begun to tell. */
  watch(args: readonly string[], onLine: (line: string) => void): Promise<() => void> {
    // Level 6 names the requests that were answered.
    const argv = [`--kubeconfig=${this.kubeconfig}`, "get", "--watch", "-v=6", ...args];
    const child = spawn(join(this.#programs.kubernetes, "kubectl"), argv, { stdio: ["ignore", "pipe", "pipe"] });
    createInterface(child.stdout).on("line", onLine);
    return new Promise((resolve, reject) => {
      let said = "";
      createInterface(child.stderr).on("line", (line) => {
        said += `${line}\n`;
        if (line.includes("watch=true")) resolve(() => void child.kill("SIGKILL"));
      });
      child.once("error", reject);
      child.once("close", () => reject(new Error(`kubectl get --watch has ended: ${said}`)));
    });
  }

  /** Gives an OCI archive to every node, also to those that are off now. */
  async loadImage(file: string): Promise<void> {
    this.#images.push(file);
    await Promise.all(this.#nodes.filter((node) => node.isOn).map((node) => node.load(file)));
  }

  /** Node `i`, counted from 1, loses its power. */
  async killNode(i: number): Promise<void> {
    await this.#node(i).kill();
  }

  /** Switches node `i` on again; resolves when its containerd answers. Ready it is when the API says so. */
  async startNode(i: number): Promise<void> {
    await this.#node(i).start(this.#images);
  }

  /** Without it nothing can be asked of the cluster; what runs on its nodes goes on. */
  get controlPlane(): Pick<ControlPlane, "freezeApi" | "killApi" | "startApi"> {
    if (this.#plane === undefined) throw new Error("the cluster does not run");
    return this.#plane;
  }

  /** Adds nodes that `kwok` plays, to a cluster without real ones; resolves when they are Ready. */
  async playNodes(count: number, kwok: string): Promise<void> {
    if (this.#plane === undefined || this.#ground !== undefined)
      throw new Error("nodes are played in a cluster without real ones");
    this.#player ??= await startPlayer(kwok, this.folder, this.kubeconfig);
    await this.kubectl(["create", "-f", "-"], playedNodes(count));
    await allReady(this.#player, this.#plane.api, count);
  }

  /** Ends all of it; nothing is left on the machine. */
  async stop(): Promise<void> {
    await Promise.all(this.#nodes.filter((node) => node.isOn).map((node) => node.kill()));
    await this.#player?.end("SIGKILL");
    await this.#plane?.stop();
    this.#plane = undefined;
    if (this.#ground !== undefined) await this.#ground.remove();
    else rmSync(this.folder, { recursive: true, force: true });
  }

  #node(i: number): Node {
    const node = this.#nodes[i - 1];
    if (node === undefined) throw new Error(`there is no node ${i}: the cluster has ${this.#nodes.length}`);
    return node;
  }
}
