// versitygw: the S3 server that the tests of the store run against.
import { goProgram, printFound } from "../go-program.js";

await printFound(() =>
  goProgram({
    program: "versitygw",
    version: "1.8.0",
    cwd: import.meta.dirname,
    source: "github.com/versity/versitygw/cmd/versitygw",
    doing: "for tests of stores in S3 (about three minutes)",
  }),
);
