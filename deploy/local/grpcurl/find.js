// grpcurl, the common command line client of gRPC: a test calls the public port with it, as anybody would.
import { goProgram, printFound } from "../go-program.js";

await printFound(() =>
  goProgram({
    program: "grpcurl",
    version: "1.9.4",
    cwd: import.meta.dirname,
    source: "github.com/fullstorydev/grpcurl/cmd/grpcurl",
    doing: "for a test of the public port (about a minute)",
  }),
);
