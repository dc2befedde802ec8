// CoreDNS: the name service of the test cluster, as most clusters have it.
import { goProgram, printFound } from "../go-program.js";

await printFound(() =>
  goProgram({
    program: "coredns",
    version: "1.15.0",
    cwd: import.meta.dirname,
    source: ".",
    doing: "for tests on Kubernetes (about two minutes)",
  }),
);
