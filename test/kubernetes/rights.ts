/** What a master may do in Kubernetes, and nothing else; as files that give a program these rights. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "./cluster/index.ts";

const manifest = (namespace: string) => `
apiVersion: v1
kind: Namespace
metadata: {name: ${namespace}, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: sheaf-installation, namespace: ${namespace}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: sheaf-master, namespace: ${namespace}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: sheaf-master, namespace: ${namespace}}
rules:
- {apiGroups: [""], resources: [pods], verbs: [create, list, watch, delete]}
- {apiGroups: [""], resources: [configmaps], resourceNames: [sheaf-installation], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: sheaf-master, namespace: ${namespace}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: sheaf-master}
subjects: [{kind: ServiceAccount, name: sheaf-master, namespace: ${namespace}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: sheaf-master-${namespace}}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: sheaf-master-${namespace}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sheaf-master-${namespace}}
subjects: [{kind: ServiceAccount, name: sheaf-master, namespace: ${namespace}}]
`;

/** Makes the namespace and the rights; answers the settings of a master that has them. */
export async function masterIn(cluster: Cluster, namespace: string): Promise<Record<string, string>> {
  await cluster.kubectl(["apply", "-f", "-"], manifest(namespace));
  const token = (await cluster.kubectl(["create", "token", "sheaf-master", "-n", namespace, "--duration=1h"])).trim();
  const own = JSON.parse(await cluster.kubectl(["config", "view", "--raw", "-o", "json"])) as {
    clusters: object[];
    contexts: object[];
    users: { name: string; user: object }[];
  };
  const users = own.users.map(({ name }) => ({ name, user: { token } }));
  const file = join(cluster.folder, `${namespace}.kubeconfig`);
  writeFileSync(file, JSON.stringify({ ...own, users }), { mode: 0o600 });
  return {
    KUBECONFIG: file,
    SHEAF_PROVISIONER: "kubernetes",
    SHEAF_WORKER_NAMESPACE: namespace,
    SHEAF_WORKER_IMAGE: "sheaf:test",
  };
}
