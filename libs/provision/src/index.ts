/** @sheaf/provision: the seam behind which workers run, its local driver, and a whole cluster on this machine. */

export { type EtcdProcess, type StartEtcdOptions, startEtcd } from "./etcd-process.ts";
export { type KubernetesProvisionerOptions, kubernetesProvisioner } from "./kubernetes/kubernetes-provisioner.ts";
export { type ClusterInfo, LocalCluster, type LocalClusterOptions } from "./local-cluster.ts";
export { type LocalProvisionerOptions, localProvisioner } from "./local-provisioner.ts";
export { NO_NEEDS, NO_RESOURCES, type Resources, type SecretNeed, type Toleration, type WorkerNeeds } from "./needs.ts";
export { freePorts } from "./ports.ts";
export { compileCache, serviceArgv } from "./programs.ts";
export { type Place, provisionerSuite } from "./provision.suite.ts";
export type { Provisioner, WorkerExit, WorkerForm, WorkerHandle, WorkerSpec } from "./provisioner.ts";
