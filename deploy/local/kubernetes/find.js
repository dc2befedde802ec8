// Kubernetes: one program that is all of its programs, with a link by the name of each beside it.
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { goProgram, printFound } from "../go-program.js";

/** The newest 1.34 whose parts are all published as modules; its kubelet still takes cgroup v1. go.mod names it too. */
const VERSION = "1.34.4";
const [MAJOR, MINOR] = VERSION.split(".");
const NAMES = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"];
const VERSION_PACKAGE = "k8s.io/component-base/version";

await printFound(() =>
  goProgram({
    program: "kubernetes",
    version: VERSION,
    cwd: import.meta.dirname,
    source: "./hyper",
    // Without them its parts call themselves v0.0.0, and kubectl and servers refuse each other's skew.
    variables: {
      [`${VERSION_PACKAGE}.gitVersion`]: `v${VERSION}`,
      [`${VERSION_PACKAGE}.gitMajor`]: MAJOR,
      [`${VERSION_PACKAGE}.gitMinor`]: MINOR,
      [`${VERSION_PACKAGE}.gitTreeState`]: "archive",
    },
    doing: "for tests on a real cluster (four to ten minutes)",
    finish: (folder) => {
      for (const name of NAMES) symlinkSync("kubernetes", join(folder, name));
    },
  }),
);
