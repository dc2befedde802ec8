// etcd from its sources. `go install ...@version` is refused because of replace directives in etcd's own go.mod.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { goBuild, goCannot } from "../go.js";

export const BUILT_VERSION = "3.6.16";

/** Why this machine cannot build etcd, or undefined when it can. */
export const etcdCannotBeBuilt = () => goCannot(`etcd ${BUILT_VERSION}`);

/** Builds etcd into `folder`. */
export function build(folder, onStart) {
  const cwd = dirname(fileURLToPath(import.meta.url));
  return goBuild({ cwd, source: "go.etcd.io/etcd/server/v3", program: "etcd", folder, onStart });
}
