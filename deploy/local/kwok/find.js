// kwok: plays nodes and pods that are not there, for tests of what starts pods by the thousand.
import { goProgram, printFound } from "../go-program.js";

await printFound(() =>
  goProgram({
    program: "kwok",
    version: "0.8.0",
    cwd: import.meta.dirname,
    source: "sigs.k8s.io/kwok/cmd/kwok",
    doing: "for tests with very many pods (about three minutes)",
  }),
);
