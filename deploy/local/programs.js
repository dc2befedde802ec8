// What the npm scripts start, and what each needs of the machine.
import { join } from "node:path";
import { project } from "./project.js";

const tool = (...path) => join(project, "node_modules", ...path);
const buf = tool("@bufbuild", "buf", "bin", "buf");
const biome = tool("@biomejs", "biome", "bin", "biome");

/**
 * `file` runs under the right Node, with `args` before the user's. `etcd` says whether it needs one, `dependencies: false` that
 * it does without node_modules. `atUser`: it runs where the user stands and with the user's PATH, because it runs the user's commands.
 */
export const programs = {
  setup: { etcd: () => true },
  demo: { file: join(project, "examples", "word-count", "demo.ts"), etcd: () => true },
  sheaf: {
    file: join(project, "services", "cli", "src", "main.ts"),
    etcd: startsCluster,
    atUser: true,
  },
  test: { file: join(project, "deploy", "local", "test.js"), etcd: () => true },
  "test:kubernetes": { file: join(project, "test", "kubernetes", "main.ts"), etcd: () => true },
  image: { file: join(project, "deploy", "image", "main.ts") },
  "test:clients": { file: join(project, "deploy", "local", "clients", "test.js"), etcd: () => true },
  bench: { file: join(project, "test", "bench", "main.ts"), etcd: () => true },
  chaos: { file: join(project, "test", "chaos", "main.ts"), etcd: () => true },
  sim: { file: join(project, "test", "sim", "main.ts") },
  mutants: { file: join(project, "test", "sim", "mutants", "main.ts") },
  check: { file: join(project, "deploy", "local", "check.js") },
  generate: { file: buf, args: ["generate"] },
  "generate:clients": { file: join(project, "deploy", "local", "clients", "generate.js") },
  "release-contract": { file: buf, args: ["build", "--exclude-source-info", "-o", join("proto", "released.binpb")] },
  format: { file: biome, args: ["check", "--write"] },
  lockfile: { file: join(project, "deploy", "local", "lockfile.js"), dependencies: false },
};

/** The two commands that start etcd: all others speak to a cluster that runs. */
function startsCluster(args, env) {
  return args.includes("dev") || (args.includes("run") && !env.SHEAF_ADDRESS);
}
