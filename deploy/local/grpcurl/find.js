// grpcurl, the common command line client of gRPC: a test calls the public port with it, as anybody would.
import { printGoProgram } from "../go-program.js";

await printGoProgram({
  program: "grpcurl",
  version: "1.9.4",
  source: "github.com/fullstorydev/grpcurl/cmd/grpcurl",
  cwd: import.meta.dirname,
  takes: "for a test of the public port (about a minute)",
});
