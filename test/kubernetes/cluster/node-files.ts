/** How containerd, the kubelet and kube-proxy of a node are set up. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Signed } from "./certificates.ts";
import { groupOf } from "./cgroups.ts";
import { nodeAddress, nodeName, POD_SUBNET, podSubnet } from "./network.ts";

export const PAUSE_IMAGE = "sheaf.test/pause:1";
const NAME_SERVER = "10.96.0.10";
/** Where distributions put the network plugins. */
const PLUGINS = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

export interface NodeFiles {
  readonly folder: string;
  readonly node: number;
  /** The cluster's authority, the node's own certificate, and the kubeconfigs of the kubelet and kube-proxy. */
  readonly ca: string;
  readonly serving: Signed;
  readonly proxyKubeconfig: string;
}

export const socketOf = (folder: string) => join(folder, "containerd.sock");

/** Writes `containerd.toml`, `cni/`, `kubelet.json` and `proxy.json` into the node's folder. */
export function writeNodeFiles({ folder, node, ca, serving, proxyKubeconfig }: NodeFiles): void {
  mkdirSync(join(folder, "cni"), { recursive: true });
  const write = (name: string, content: unknown) =>
    writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content, null, 2));
  write("containerd.toml", containerd(folder));
  write("cni/10-sheaf.conflist", podNetwork(node));
  write("resolv.conf", "");
  write("kubelet.json", kubelet(folder, node, ca, serving));
  write("proxy.json", proxy(node, proxyKubeconfig));
}

/** Machines for tests may not be allowed to protect a process from the kernel's out-of-memory killer, so nobody tries. */
function containerd(folder: string): string {
  return `version = 2
root = "${join(folder, "containerd")}"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "${socketOf(folder)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${PLUGINS.find(existsSync) ?? PLUGINS[0]}"
    conf_dir = "${join(folder, "cni")}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

function podNetwork(node: number) {
  const addresses = { type: "host-local", ranges: [[{ subnet: podSubnet(node) }]], routes: [{ dst: "0.0.0.0/0" }] };
  const bridge = { type: "bridge", bridge: "pods", isGateway: true, hairpinMode: true, ipam: addresses };
  return {
    cniVersion: "0.4.0",
    name: "sheaf",
    plugins: [bridge, { type: "portmap", capabilities: { portMappings: true } }],
  };
}

function kubelet(folder: string, node: number, ca: string, { cert, key }: Signed) {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: nodeAddress(node),
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: ca } },
    authorization: { mode: "Webhook" },
    tlsCertFile: cert,
    tlsPrivateKeyFile: key,
    healthzPort: 0,
    containerRuntimeEndpoint: `unix://${socketOf(folder)}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${groupOf(node)}`,
    failCgroupV1: false,
    failSwapOn: false,
    // A sign of life every 2 s: the controllers are told to miss it after 10 s, where Kubernetes by itself takes 50 s.
    nodeLeaseDurationSeconds: 8,
    nodeStatusUpdateFrequency: "2s",
    oomScoreAdj: 0,
    podLogsDir: join(folder, "pods"),
    volumePluginDir: join(folder, "volume-plugins"),
    resolvConf: join(folder, "resolv.conf"),
    clusterDomain: "cluster.local",
    clusterDNS: [NAME_SERVER],
    // Tests must not fail because the disk of a developer is rather full.
    evictionHard: { "memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    maxPods: 200,
  };
}

function proxy(node: number, kubeconfig: string) {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "iptables",
    clusterCIDR: POD_SUBNET,
    hostnameOverride: nodeName(node),
    oomScoreAdj: 0,
    clientConnection: { kubeconfig },
    // The machine's own limits stay.
    conntrack: { maxPerCore: 0, min: 0 },
  };
}
