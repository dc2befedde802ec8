// Volumes for the claims of the overlay: folders of this machine, which all nodes of a test see. A folder on a node gets no owner by
// `fsGroup`, so these are everybody's.
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/** `count` volumes in `folder`, as manifests. */
export function volumes(folder: string, count: number): string {
  const items = Array.from({ length: count }, (_, i) => {
    const path = join(folder, "volumes", String(i));
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o777);
    return {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: `folder-${i}` },
      spec: {
        capacity: { storage: "100Gi" },
        accessModes: ["ReadWriteOnce"],
        persistentVolumeReclaimPolicy: "Retain",
        hostPath: { path, type: "Directory" },
      },
    };
  });
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}
