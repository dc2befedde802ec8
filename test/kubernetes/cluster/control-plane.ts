/** etcd, API server, controllers and scheduler: a Kubernetes without a machine to run anything on. Needs no root. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "@sheaf/provision";
import type { Programs } from "../programs.ts";
import { type Api, apiAt } from "./api.ts";
import { Certificates } from "./certificates.ts";
import { Daemon } from "./daemon.ts";

export const SERVICE_SUBNET = "10.96.0.0/16";
const FIRST_SERVICE = "10.96.0.1";
const READY_MS = 120_000;
/**
 * For real nodes. One that gives no sign of life for so long is taken for lost, and its pods at once. The rate must not be 1: the limiter that the
 * controller swaps in while no node is Ready calls itself that, and is never swapped out again.
 */
export const NODE_LOSS = ["--node-monitor-grace-period=10s", "--node-monitor-period=1s", "--node-eviction-rate=10"];

export interface ControlPlaneOptions {
  readonly folder: string;
  readonly programs: Programs;
  /** Where the API server listens: loopback, or where nodes reach it. */
  readonly address: string;
  readonly controllerFlags: readonly string[];
}

export class ControlPlane {
  readonly server: string;
  readonly certificates: Certificates;
  /** Of the cluster's administrator. */
  readonly kubeconfig: string;
  readonly api: Api;
  readonly #daemons = new Map<string, Daemon>();
  #apiServer: readonly string[] = [];
  readonly #folder: string;

  private constructor(folder: string, server: string, certificates: Certificates, kubeconfig: string, api: Api) {
    this.#folder = folder;
    this.server = server;
    this.certificates = certificates;
    this.kubeconfig = kubeconfig;
    this.api = api;
  }

  /** Resolves when pods can be created. */
  static async start({ folder, programs, address, controllerFlags }: ControlPlaneOptions): Promise<ControlPlane> {
    for (const part of ["log", "etcd"]) mkdirSync(join(folder, part));
    const [[apiPort], [etcdPort, peerPort]] = await Promise.all([freePorts(1, address), freePorts(2)]);
    const server = `https://${address}:${apiPort}`;
    const certificates = await Certificates.make(join(folder, "pki"));
    const admin = await certificates.sign("admin", "/O=system:masters/CN=admin");
    const api = apiAt(server, certificates.ca.cert, admin);
    const kubeconfig = certificates.kubeconfigOf("admin", admin, server);
    const plane = new ControlPlane(folder, server, certificates, kubeconfig, api);
    try {
      const etcd = `http://${LOOPBACK}:${etcdPort}`;
      plane.#daemon("etcd", [programs.etcd, ...etcdFlags(folder, etcd, `http://${LOOPBACK}:${peerPort}`)]);
      const bin = (name: string) => join(programs.kubernetes, name);
      const serving = await certificates.sign("apiserver", "/CN=kube-apiserver", namesOf(address));
      const listen = [`--etcd-servers=${etcd}`, `--secure-port=${apiPort}`, ...apiServerFlags(address)];
      const keys = [
        `--tls-cert-file=${serving.cert}`,
        `--tls-private-key-file=${serving.key}`,
        `--client-ca-file=${certificates.ca.cert}`,
        `--kubelet-certificate-authority=${certificates.ca.cert}`,
        `--kubelet-client-certificate=${admin.cert}`,
        `--kubelet-client-key=${admin.key}`,
        `--service-account-key-file=${certificates.accounts.cert}`,
        `--service-account-signing-key-file=${certificates.accounts.key}`,
      ];
      plane.#apiServer = [bin("kube-apiserver"), ...listen, ...keys];
      await plane.startApi();
      await plane.#controllers(bin, controllerFlags);
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  /** Resolves when it answers. It keeps nothing itself: it can be killed, and started again. */
  async startApi(): Promise<void> {
    const apiServer = this.#daemon("apiserver", this.#apiServer);
    await apiServer.until(async () => (await this.api("/readyz")) === "ok", "the API server is ready", READY_MS);
  }

  /** Connections to it stay, and others are made, but nothing is answered. */
  freezeApi(): void {
    this.#daemons.get("apiserver")?.freeze();
  }

  /** Connections to it break, and others are refused. */
  async killApi(): Promise<void> {
    await this.#daemons.get("apiserver")?.end("SIGKILL");
  }

  /** None of them but etcd keeps anything, and etcd's data are thrown away. */
  async stop(): Promise<void> {
    await Promise.all([...this.#daemons.values()].map((daemon) => daemon.end("SIGKILL")));
  }

  async #controllers(bin: (name: string) => string, flags: readonly string[]): Promise<void> {
    const { ca, accounts } = this.certificates;
    const kubeconfig = (part: string) => this.certificates.kubeconfig(part, `/CN=system:kube-${part}`, this.server);
    const [asController, asScheduler] = await Promise.all(["controller-manager", "scheduler"].map(kubeconfig));
    // Nobody asks them anything, and there is one of each.
    const alone = ["--leader-elect=false", "--secure-port=0"];
    this.#daemon("scheduler", [bin("kube-scheduler"), `--kubeconfig=${asScheduler}`, ...alone]);
    const controllers = this.#daemon("controller-manager", [
      bin("kube-controller-manager"),
      `--kubeconfig=${asController}`,
      ...alone,
      "--use-service-account-credentials",
      `--flex-volume-plugin-dir=${join(this.#folder, "volume-plugins")}`,
      `--service-account-private-key-file=${accounts.key}`,
      `--root-ca-file=${ca.cert}`,
      `--cluster-signing-cert-file=${ca.cert}`,
      `--cluster-signing-key-file=${ca.key}`,
      ...flags,
    ]);
    const account = "/api/v1/namespaces/default/serviceaccounts/default";
    const isThere = async () => (await this.api(account)) !== undefined;
    await controllers.until(isThere, "the controllers made the default service account", READY_MS);
  }

  #daemon(name: string, argv: readonly string[]): Daemon {
    const daemon = new Daemon(name, argv, join(this.#folder, "log", `${name}.log`));
    this.#daemons.set(name, daemon);
    return daemon;
  }
}

const LOOPBACK = "127.0.0.1";

function etcdFlags(folder: string, client: string, peer: string): string[] {
  return [
    "--data-dir",
    join(folder, "etcd"),
    ...["--listen-client-urls", client, "--advertise-client-urls", client],
    ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`],
    ...["--log-level", "warn", "--unsafe-no-fsync"],
  ];
}

function apiServerFlags(address: string): string[] {
  // Without nodes nobody is told where the API server is, and loopback may not be told.
  const told =
    address === LOOPBACK
      ? ["--endpoint-reconciler-type=none", "--advertise-address=192.0.2.1"]
      : [`--advertise-address=${address}`];
  return [
    `--bind-address=${address}`,
    ...told,
    `--service-cluster-ip-range=${SERVICE_SUBNET}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--kubelet-preferred-address-types=InternalIP",
    "--service-account-issuer=https://kubernetes.default.svc",
  ];
}

function namesOf(address: string): string[] {
  const name = "kubernetes.default.svc.cluster.local";
  const names = [1, 2, 3, 5].map((parts) => `DNS:${name.split(".").slice(0, parts).join(".")}`);
  return [...names, "DNS:localhost", `IP:${FIRST_SERVICE}`, `IP:${LOOPBACK}`, `IP:${address}`];
}
