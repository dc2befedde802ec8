// `npm run check`: all that can be said about the project without running it. A line per step, and the whole output of what failed.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastLines, run, stopChildren } from "./child.js";
import { project } from "./project.js";

const AT_A_TIME = 2;
const GENERATED = join("libs", "proto", "src", "gen");
const tool = (...path) => join(project, "node_modules", ...path);
const buf = tool("@bufbuild", "buf", "bin", "buf");

/** Each step gives `{ code, output }`. The slowest first, so that two at a time end together. */
const STEPS = {
  types: () => node(tool("typescript", "bin", "tsc"), "--noEmit"),
  "types in a browser": () => node(tool("typescript", "bin", "tsc"), "--noEmit", "-p", "tsconfig.browser.json"),
  mutants: () => node(join("test", "sim", "mutants", "main.ts")),
  "dead code": () => node(tool("knip", "bin", "knip.js"), "--no-progress", "--no-config-hints"),
  "lint and format": () => node(tool("@biomejs", "biome", "bin", "biome"), "ci", "--colors=off"),
  "generated code": generatedIsFresh,
  "import and layout rules": () =>
    node(`--test-reporter=${join(project, "test", "kit", "reporter.ts")}`, join("test", "tidy.test.ts")),
  contracts: () => node(buf, "lint"),
  "contracts that callers have": () => breaksNothing(),
  lockfile: () => node(join("deploy", "local", "lockfile.js"), "--check"),
};

function node(...args) {
  return run(process.execPath, args, { cwd: project, timeoutMs: 300_000 });
}

/** Generates into a folder of its own and compares: what is committed must be what the contracts give. */
async function generatedIsFresh() {
  const fresh = mkdtempSync(join(tmpdir(), "sheaf-generated-"));
  try {
    const made = await node(buf, "generate", "-o", fresh);
    if (made.code !== 0) return made;
    const [ours, theirs] = [filesUnder(join(project, GENERATED)), filesUnder(join(fresh, GENERATED))];
    const stale = [...new Set([...ours.keys(), ...theirs.keys()])]
      .filter((file) => ours.get(file) !== theirs.get(file))
      .sort();
    const output = stale.map((file) => `stale: ${join(GENERATED, file)}\n`).join("");
    return { code: stale.length > 0 ? 1 : 0, output: `${output}Run \`npm run generate\`.` };
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/**
 * What a caller was built with goes on working: the contracts as they were released last (proto/released.binpb, which `npm run release-contract`
 * puts anew), and as they stand on main, in a clone that has it. For the public one that includes its generated code.
 */
async function breaksNothing() {
  const folder = mkdtempSync(join(tmpdir(), "sheaf-contracts-"));
  try {
    const main = await run("git", ["rev-parse", "--verify", "--quiet", "main^{commit}"], { cwd: project });
    const before = [join("proto", "released.binpb")];
    if (main.code === 0) {
      const tree = join(folder, "main.tar");
      const archive = await run("git", ["archive", "-o", tree, "main", "proto", "buf.yaml"], { cwd: project });
      if (archive.code !== 0) return archive;
      before.push(tree);
    }
    const others = ["dispatch", "state", "store"].map((name) => `proto/sheaf/${name}`);
    const breaking = { use: ["FILE"], ignore: [...others, "proto/grpc", "proto/google"] };
    const api = ["--config", JSON.stringify({ version: "v2", modules: [{ path: "proto" }], breaking })];
    let output = "";
    for (const against of before) {
      for (const more of [[], api]) {
        const ended = await node(buf, "breaking", "--against", against, ...more);
        if (ended.code !== 0) output += `against ${against.endsWith(".tar") ? "main" : against}:\n${ended.output}`;
      }
    }
    return { code: output === "" ? 0 : 1, output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function filesUnder(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, "utf8")]));
}

async function runStep([name, step]) {
  const begun = performance.now();
  const { code, output } = await step().catch((error) => ({ code: 1, output: error.message }));
  const line = `${code === 0 ? "ok  " : "FAIL"}  ${name.padEnd(24)}${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s`;
  console.log(code === 0 ? line : `${line}\n${lastLines(output, Number.POSITIVE_INFINITY).replaceAll(/^/gm, "    ")}`);
  return code === 0;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.once(signal, () => {
    stopChildren();
    process.exit(1);
  });

const waiting = Object.entries(STEPS).filter(
  ([name]) => process.argv.length < 3 || process.argv.slice(2).some((word) => name.includes(word)),
);
const results = [];
const lane = async () => {
  for (let step = waiting.shift(); step; step = waiting.shift()) results.push(await runStep(step));
};
await Promise.all(Array.from({ length: AT_A_TIME }, lane));
const passed = results.filter(Boolean).length;
// No step ran: the words on the command line name none, and that must not read as a success.
process.exitCode = passed === results.length && passed > 0 ? 0 : 1;
console.log(`${passed} passed, ${results.length - passed} failed`);
