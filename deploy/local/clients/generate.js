// `npm run generate:clients [-- FOLDER]`: the stubs of the Python and Go clients, from proto/, into the tree or below FOLDER. Java's are made
// by its build. The plugins are the ordinary ones; protoc is the one that comes with Python's.
import { globSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { delimiter, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { run, whyItFailed } from "../child.js";
import { project } from "../project.js";
import { sayTrouble, Trouble } from "../say.js";
import { go, python } from "./toolchains.js";

const PROTO = join(project, "proto");
const GO_MODULE = "sheaf.local/sheaf";
/** Where the stubs lie, below the root of the tree. What is generated there is all of these names. */
export const GENERATED = ["api", "access"].flatMap((contract) => [
  { folder: join("libs", "clients", "python", "sheaf", contract, "v1"), files: /_pb2(_grpc)?\.pyi?$/ },
  { folder: join("libs", "clients", "go", contract, "v1"), files: /\.pb\.go$/ },
]);

/** Throws a Trouble when the machine has not both languages. */
async function generate(root) {
  const [{ python: interpreter, cannot: noPython }, { plugins, cannot: noGo }] = [await python(), await go()];
  if (noPython || noGo)
    throw new Trouble(`the stubs of the clients cannot be made: ${noPython ?? noGo}`, "install it, then run again.");
  for (const { folder, files } of GENERATED) {
    mkdirSync(join(root, folder), { recursive: true });
    for (const name of readdirSync(join(root, folder))) if (files.test(name)) rmSync(join(root, folder, name));
  }
  const protos = globSync("sheaf/{access,api}/v1/*.proto", { cwd: PROTO }).sort();
  const pythonRoot = join(root, "libs", "clients", "python");
  const goRoot = join(root, "libs", "clients", "go");
  const goPackages = protos.map((file) => {
    const [, contract] = file.split("/");
    return `M${file}=${GO_MODULE}/${contract}/v1;${contract}v1`;
  });
  const goOptions = [`module=${GO_MODULE}`, ...goPackages].join(",");
  const args = [
    `--proto_path=${PROTO}`,
    ...["python", "pyi", "grpc_python"].map((kind) => `--${kind}_out=${pythonRoot}`),
    ...["go", "go-grpc"].flatMap((kind) => [`--${kind}_out=${goRoot}`, `--${kind}_opt=${goOptions}`]),
    ...protos,
  ];
  const env = { ...process.env, PATH: [plugins, process.env.PATH].join(delimiter) };
  const made = await run(interpreter, ["-m", "grpc_tools.protoc", ...args], { env, timeoutMs: 60_000 });
  if (made.code !== 0) throw new Error(whyItFailed("protoc", made));
  // A file without a service gives an empty module.
  for (const name of globSync("sheaf/{access,api}/v1/*_pb2_grpc.py", { cwd: pythonRoot }))
    if (!name.endsWith("_service_pb2_grpc.py")) rmSync(join(pythonRoot, name));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const root = process.argv[2] === undefined ? project : resolve(process.argv[2]);
    await generate(root);
    console.log(`generated: ${GENERATED.map(({ folder }) => relative(process.cwd(), join(root, folder))).join(", ")}`);
  } catch (error) {
    sayTrouble(error);
    process.exitCode = 1;
  }
}
