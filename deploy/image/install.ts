// node deploy/image/install.ts FOLDER: the bundled programs as files, to be run there. Tests of whole clusters do.
import { join, resolve } from "node:path";
import { writeFolder } from "./entry.ts";
import { installed } from "./programs.ts";

const [, , folder] = process.argv;
if (folder === undefined) {
  console.error("no folder is named: node deploy/image/install.ts FOLDER");
  process.exit(2);
}
writeFolder(await installed(join(import.meta.dirname, "..", ".."), resolve(folder)), "/");
