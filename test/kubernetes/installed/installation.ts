/** Sheaf on the test cluster, from the overlay `try`, as a user installs it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Connection, publicConnection } from "@sheaf/rpc";
import { Secret } from "@sheaf/runtime";
import { Cluster } from "../cluster/index.ts";
import { testImages } from "../kit.ts";
import type { Programs } from "../programs.ts";
import { volumes } from "./volumes.ts";

const OVERLAY = join(import.meta.dirname, "..", "..", "..", "deploy", "kubernetes", "overlays", "try");
const ROLLOUT = "--timeout=180s";
export const SERVICES = "sheaf";
export const WORKERS = "sheaf-workers";

/** What these tests look at of a pod. */
export interface Pod {
  readonly metadata: {
    readonly name: string;
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
  /** The environment of a `sheaf` that speaks to it. */
  readonly env: Readonly<Record<string, string>>;

  private constructor(cluster: Cluster, connection: Connection, env: Readonly<Record<string, string>>) {
    this.cluster = cluster;
    this.connection = connection;
    this.env = env;
  }

  /** Resolves when all replicas are ready. With two nodes all of them, etcd and the store are on the first. */
  static async start(programs: Programs, nodes: 1 | 2 = 1): Promise<Installation> {
    const images = await testImages("pause", "sheaf", "shell", "bare", "coredns", "etcd", "versitygw");
    const controllerFlags = ["--node-monitor-grace-period=10s"];
    const cluster = await Cluster.start({ programs, nodes, images, controllerFlags });
    try {
      if (nodes === 2) await cluster.kubectl(["cordon", "node2"]);
      const dns = readFileSync(join(import.meta.dirname, "dns.yaml"), "utf8");
      await cluster.kubectl(["apply", "-f", "-"], dns);
      await cluster.kubectl(["apply", "-f", "-"], volumes(cluster.folder, 2));
      await cluster.kubectl(["apply", "-k", OVERLAY]);
      for (const name of ["statefulset/etcd", "statefulset/s3", "deployment/sheaf-merge", "deployment/sheaf-master"]) {
        await cluster.kubectl(["rollout", "status", "-n", SERVICES, name, ROLLOUT]);
      }
      if (nodes === 2) await cluster.kubectl(["uncordon", "node2"]);
      return await Installation.#connect(cluster);
    } catch (error) {
      const state = await cluster.kubectl(["get", "pods,events", "-A"]).catch(String);
      await cluster.stop();
      throw new Error(`Sheaf could not be installed:\n${state}`, { cause: error });
    }
  }

  static async #connect(cluster: Cluster): Promise<Installation> {
    const get = async (what: readonly string[], path: string) =>
      await cluster.kubectl(["get", "-n", SERVICES, ...what, "-o", `jsonpath={${path}}`]);
    const secret = async (key: string) => Buffer.from(await get(["secret", "sheaf-token"], `.data.${key}`), "base64");
    const address = `${await get(["service", "sheaf-master"], ".spec.clusterIP")}:7450`;
    const [token, ca] = [(await secret("token")).toString(), await secret("ca\\.crt")];
    const file = join(cluster.folder, "ca.crt");
    writeFileSync(file, ca);
    const connection = publicConnection(address, { tls: { kind: "user", ca }, token: new Secret(token) });
    return new Installation(cluster, connection, { SHEAF_ADDRESS: address, SHEAF_TOKEN: token, SHEAF_CA: file });
  }

  /** Pods of workers that nobody has told to go, by age; of one pipeline, or all. */
  async workers(pipeline?: string): Promise<Pod[]> {
    return (await this.workerPods(pipeline)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** All pods of workers that have not ended. */
  async workerPods(pipeline?: string): Promise<Pod[]> {
    const selector = pipeline === undefined ? "sheaf.dev/worker" : `sheaf.dev/pipeline=${pipeline}`;
    const text = await this.cluster.kubectl(["get", "pods", "-n", WORKERS, "-l", selector, "-o", "json"]);
    const { items } = JSON.parse(text) as { items: Pod[] };
    const alive = items.filter(({ status }) => status.phase === "Running" || status.phase === "Pending");
    return alive.sort((a, b) => a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp));
  }

  async stop(): Promise<void> {
    this.connection.close();
    await this.cluster.stop();
  }
}
