// package-lock.json: `npm install`, then what npm leaves wrong in it. `--check` only says whether it is as it should be.
//
// npm leaves out the optional packages of other platforms when it cannot resolve them (npm/cli #9846), and then refuses its own
// lockfile in `npm ci`. And where packages are downloaded from is each user's own setting, so no address belongs in it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stampDependencies } from "./dependencies.js";
import { npm } from "./npm.js";
import { project } from "./project.js";
import { say, sayTrouble, timed } from "./say.js";

const FILE = join(project, "package-lock.json");
const OS = [
  "android",
  "darwin",
  "freebsd",
  "win32",
  "linux",
  "openharmony",
  "sunos",
  "aix",
  "netbsd",
  "openbsd",
  "wasi",
];
const CPU = ["arm64", "x64", "ia32", "arm", "ppc64", "riscv64", "s390x", "loong64", "wasm32"];
const LIBC = { musl: ["musl"], gnu: ["glibc"] };

/** The optional packages that some package names and the lockfile has no entry for, as [name, entry]. */
function missingPlatforms(lock) {
  const missing = new Map();
  for (const entry of Object.values(lock.packages))
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {}))
      if (lock.packages[`node_modules/${name}`] === undefined)
        missing.set(name, platformEntry(name, range, entry.dev === true));
  return [...missing];
}

/** The entries that say where they are downloaded from. A workspace's link names a folder here, and may. */
function withAddress(lock) {
  return Object.keys(lock.packages).filter(
    (name) => lock.packages[name].resolved !== undefined && !lock.packages[name].link,
  );
}

/** What is wrong with a lockfile, a line each. */
export function faultsOf(lock) {
  return [
    ...missingPlatforms(lock).map(([name]) => `${name} has no entry (an optional package of another platform)`),
    ...withAddress(lock).map((name) => `${name} carries a download address`),
  ];
}

function platformEntry(name, range, dev) {
  const os = OS.find((word) => name.includes(word)) ?? "none";
  const cpu = CPU.find((word) => name.includes(word)) ?? "none";
  const libc = Object.entries(LIBC).find(([word]) => new RegExp(`-${word}\\b`).test(name))?.[1];
  return {
    version: range.replace(/^[^0-9]*/, ""),
    cpu: [cpu],
    ...(dev && { dev }),
    ...(libc && { libc }),
    optional: true,
    os: [os],
  };
}

/** The lockfile with an entry for every platform and no download address, its entries in npm's order. */
export function completed(lock) {
  const packages = { ...lock.packages };
  for (const [name, entry] of missingPlatforms(lock)) packages[`node_modules/${name}`] = entry;
  for (const name of withAddress(lock)) {
    const { resolved, ...rest } = packages[name];
    packages[name] = rest;
  }
  const inOrder = Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...lock, packages: Object.fromEntries(inOrder) };
}

const read = () => JSON.parse(readFileSync(FILE, "utf8"));

async function update(args) {
  const install = () =>
    npm(["install", ...args], {
      node: process.execPath,
      cwd: project,
      doing: "updating package-lock.json",
    });
  await timed("npm install", () => "npm install is done", install);
  const lock = read();
  writeFileSync(FILE, `${JSON.stringify(completed(lock), null, 2)}\n`);
  say(`package-lock.json is complete; ${missingPlatforms(lock).length} packages of other platforms added`);
  stampDependencies(); // node_modules is what it says: nothing to install again.
}

function check() {
  const faults = faultsOf(read());
  for (const fault of faults) console.log(`package-lock.json: ${fault}`);
  if (faults.length > 0) console.log("Run `npm run lockfile`.");
  process.exitCode = faults.length > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    if (process.argv.includes("--check")) check();
    else await update(process.argv.slice(2));
  } catch (error) {
    sayTrouble(error);
    process.exitCode = 1;
  }
}
