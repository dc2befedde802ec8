// versitygw: the S3 server that the tests of the store run against.
import { printGoProgram } from "../go-program.js";

await printGoProgram({
  program: "versitygw",
  version: "1.8.0",
  source: "github.com/versity/versitygw/cmd/versitygw",
  cwd: import.meta.dirname,
  takes: "for tests of stores in S3 (about three minutes)",
});
