/** A real Kubernetes for tests, from a control plane alone to two nodes that can lose their power. */

export { Cluster } from "./cluster.ts";
