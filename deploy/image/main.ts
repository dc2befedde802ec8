// node deploy/image/main.ts --out FILE [--name NAME:TAG]: the image of Sheaf as an OCI archive, without a container engine.
// node deploy/image/main.ts --folder FOLDER [--node PROGRAM]: its layers as folders, for an engine to copy (Dockerfile).
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { base, USER } from "./base.ts";
import { loader } from "./elf.ts";
import { writeFolder } from "./entry.ts";
import { writeImage } from "./oci.ts";
import { programs } from "./programs.ts";

const PROJECT = resolve(import.meta.dirname, "..", "..");
const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox", "/usr/lib/initcpio/busybox"];

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    name: { type: "string", default: "sheaf:dev" },
    folder: { type: "string" },
    node: { type: "string" },
  },
});
if (process.platform !== "linux") throw new Error("the image holds programs of this machine, which must be Linux");
const [node, busybox] = [values.node ?? pinnedNode(), staticBusybox()];
const layers = { base: base({ node, busybox }), programs: await programs(PROJECT, busybox) };
const { folder } = values;
if (folder === undefined) await pack();
else for (const [name, entries] of Object.entries(layers)) writeFolder(entries, join(folder, name));

async function pack(): Promise<void> {
  const out = resolve(process.env["INIT_CWD"] ?? ".", values.out ?? "sheaf-image.tar");
  const config = { User: `${USER}:${USER}`, WorkingDir: "/tmp", Cmd: ["/usr/local/bin/sheaf", "--help"] };
  const digest = await writeImage({ name: values.name, layers: Object.values(layers), config }, out);
  console.log(JSON.stringify({ name: values.name, digest, file: out }));
}

/** The Node that the set-up fetches, whatever runs this. */
function pinnedNode(): string {
  const finder = join(PROJECT, "deploy", "local", "pinned-node.js");
  return execFileSync(process.execPath, [finder], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
}

function staticBusybox(): string {
  const found = BUSYBOX.find((file) => existsSync(file) && loader(file) === undefined);
  if (found === undefined)
    throw new Error("the image needs a static busybox: install the package busybox-static, then run again");
  return found;
}
