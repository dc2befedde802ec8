/** A pod of one container, as the strictest rules of Kubernetes want it. */
export function restricted(name: string, user: number, container: object, readOnly = true) {
  const security = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    readOnlyRootFilesystem: readOnly,
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: user,
        runAsGroup: user,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [{ name: "only", imagePullPolicy: "Never", securityContext: security, ...container }],
    },
  };
}
