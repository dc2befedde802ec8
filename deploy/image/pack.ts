// node deploy/image/pack.ts --name NAME:TAG --out FILE [--entrypoint PROGRAM] FOLDER: a folder as an image, an OCI archive.
import { parseArgs } from "node:util";
import { USER } from "./base.ts";
import { tree } from "./entry.ts";
import { writeImage } from "./oci.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: "string" }, out: { type: "string" }, entrypoint: { type: "string" } },
});
const [folder] = positionals;
const { name, out, entrypoint } = values;
if (folder === undefined || name === undefined || out === undefined)
  throw new Error("usage: pack.ts --name NAME:TAG --out FILE [--entrypoint PROGRAM] FOLDER");
const config = { User: `${USER}:${USER}`, ...(entrypoint && { Entrypoint: [entrypoint] }) };
console.log(await writeImage({ name, layers: [tree("", folder, () => true)], config }, out));
