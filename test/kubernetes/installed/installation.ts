/** Sheaf on the test cluster, from the overlay `try`, as a user installs it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Connection, publicConnection } from "@sheaf/rpc";
import { Secret } from "@sheaf/runtime";
import { Cluster } from "../cluster/index.ts";
import { testImages } from "../kit.ts";
import type { Programs } from "../programs.ts";
import { volumes } from "./volumes.ts";

const OVERLAY = join(import.meta.dirname, "..", "..", "..", "deploy", "kubernetes", "overlays", "try");
/** For two installations: etcd and a store, and three members of etcd. */
const VOLUMES = 5;
const ROLLOUT = "--timeout=180s";
export const SERVICES = "sheaf";
export const WORKERS = "sheaf-workers";

/** The namespaces of an installation. */
export interface Names {
  readonly services: string;
  readonly workers: string;
}

/** How an administrator reaches it. */
export interface Access {
  readonly token: string;
  readonly ca: Buffer;
}

/** What these tests look at of a pod. */
export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly phase: string };
}

export class Installation {
  readonly cluster: Cluster;
  readonly connection: Connection;
  readonly names: Names;

  private constructor(cluster: Cluster, names: Names, connection: Connection) {
    this.cluster = cluster;
    this.names = names;
    this.connection = connection;
  }

  /** On two nodes; resolves when all replicas are ready. They, etcd and the store are on the first. */
  static async start(programs: Programs): Promise<Installation> {
    const images = await testImages("pause", "sheaf", "shell", "bare", "coredns", "etcd", "versitygw");
    const cluster = await Cluster.start({ programs, nodes: 2, images });
    try {
      await cluster.kubectl(["cordon", "node2"]);
      const dns = readFileSync(join(import.meta.dirname, "dns.yaml"), "utf8");
      await cluster.kubectl(["apply", "-f", "-"], dns);
      await cluster.kubectl(["apply", "-f", "-"], volumes(cluster.folder, VOLUMES));
      await cluster.kubectl(["apply", "-k", OVERLAY]);
      const names = { services: SERVICES, workers: WORKERS };
      await Installation.#ready(cluster, names);
      await cluster.kubectl(["uncordon", "node2"]);
      return await Installation.#connect(cluster, names, await madeInside(cluster));
    } catch (error) {
      const state = await cluster.kubectl(["get", "pods,events", "-A"]).catch(String);
      await cluster.stop();
      throw new Error(`Sheaf could not be installed:\n${state}`, { cause: error });
    }
  }

  /** One that was applied to a cluster beside another; resolves when all replicas are ready. To be left, and not stopped. */
  static async beside(cluster: Cluster, names: Names, access: Access): Promise<Installation> {
    await Installation.#ready(cluster, names);
    return await Installation.#connect(cluster, names, access);
  }

  static async #ready(cluster: Cluster, { services }: Names): Promise<void> {
    const sets = await cluster.kubectl(["get", "statefulsets,deployments", "-n", services, "-o", "name"]);
    for (const name of sets.trim().split("\n"))
      await cluster.kubectl(["rollout", "status", "-n", services, name, ROLLOUT]);
  }

  static async #connect(cluster: Cluster, names: Names, { token, ca }: Access): Promise<Installation> {
    const ip = ["get", "service", "sheaf-master", "-n", names.services, "-o", "jsonpath={.spec.clusterIP}"];
    const address = `${await cluster.kubectl(ip)}:7450`;
    const connection = publicConnection(address, { tls: { kind: "user", ca }, token: new Secret(token) });
    return new Installation(cluster, names, connection);
  }

  /** Pods of workers that nobody has told to go, by age; of one pipeline, or all. */
  async workers(pipeline?: string): Promise<Pod[]> {
    return (await this.workerPods(pipeline)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** All pods of workers that have not ended. */
  async workerPods(pipeline?: string): Promise<Pod[]> {
    const selector = pipeline === undefined ? "sheaf.dev/worker" : `sheaf.dev/pipeline=${pipeline}`;
    const text = await this.cluster.kubectl(["get", "pods", "-n", this.names.workers, "-l", selector, "-o", "json"]);
    const { items } = JSON.parse(text) as { items: Pod[] };
    const alive = items.filter(({ status }) => status.phase === "Running" || status.phase === "Pending");
    return alive.sort((a, b) => a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp));
  }

  leave(): void {
    this.connection.close();
  }

  async stop(): Promise<void> {
    this.leave();
    await this.cluster.stop();
  }
}

/** What the Job of the overlay made. */
async function madeInside(cluster: Cluster): Promise<Access> {
  const get = async (key: string) => {
    const what = ["get", "secret", "sheaf-token", "-n", SERVICES, "-o", `jsonpath={.data.${key}}`];
    return Buffer.from(await cluster.kubectl(what), "base64");
  };
  return { token: (await get("token")).toString(), ca: await get("ca\\.crt") };
}
