/** The programs that a cluster is made of: Kubernetes from its sources, the rest from the machine, or from its distribution. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, dirname } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "../kit/program.ts";

export { findProgram };

const run = promisify(execFile);
/** What the control plane needs of the machine, and what nodes need besides, by Debian's names of the packages. */
const CONTROL: Readonly<Record<string, string>> = { openssl: "openssl", setpriv: "util-linux" };
const NODE: Readonly<Record<string, string>> = {
  containerd: "containerd",
  runc: "runc",
  iptables: "iptables",
  conntrack: "conntrack",
  ip: "iproute2",
  unshare: "util-linux",
  nsenter: "util-linux",
  busybox: "busybox-static",
  "/usr/lib/cni/bridge": "containernetworking-plugins",
};

export interface Programs {
  /** The folder that holds kube-apiserver, kubelet, kubectl and the others. */
  readonly kubernetes: string;
  readonly etcd: string;
}

export type Found = { readonly programs: Programs } | { readonly cannot: string };

/** Finds, builds and installs them; `cannot` says in one line what is missing. */
export async function findPrograms({ forNodes }: { forNodes: boolean }): Promise<Found> {
  if (process.platform !== "linux") return { cannot: "a cluster needs Linux" };
  if (forNodes && process.getuid?.() !== 0) return { cannot: "a cluster with nodes needs root" };
  const etcd = process.env["SHEAF_ETCD_BIN"];
  if (etcd === undefined) return { cannot: "SHEAF_ETCD_BIN must name an etcd: `npm test` finds one" };
  const lacking = await installed(forNodes ? { ...CONTROL, ...NODE } : CONTROL);
  if (lacking.length > 0) return { cannot: `this machine lacks ${lacking.join(", ")}: install these packages` };
  const kubernetes = await findProgram("kubernetes");
  return "cannot" in kubernetes ? kubernetes : { programs: { kubernetes: dirname(kubernetes.file), etcd } };
}

/** The packages that are missing; as root, and where there is apt, they are installed first. */
async function installed(wanted: Readonly<Record<string, string>>): Promise<string[]> {
  const lacking = () => [
    ...new Set(
      Object.keys(wanted)
        .filter((name) => !isThere(name))
        .map((name) => wanted[name] ?? ""),
    ),
  ];
  const packages = lacking();
  if (packages.length === 0 || process.getuid?.() !== 0 || !isThere("apt-get")) return packages;
  process.stderr.write(`sheaf: installing ${packages.join(" ")} with apt-get ...\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  try {
    await run("apt-get", ["update", "-qq"], { env });
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { env });
  } catch (error) {
    process.stderr.write(`sheaf: apt-get failed: ${error instanceof Error ? error.message : error}\n`);
  }
  return lacking();
}

function isThere(name: string): boolean {
  const folders = name.startsWith("/") ? [""] : (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => {
    try {
      accessSync(folder + (name.startsWith("/") ? name : `/${name}`), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
