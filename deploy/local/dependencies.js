// The npm packages of the lockfile, in node_modules. A stamp in node_modules says which lockfile it was made from; `npm ci`
// begins by deleting node_modules, and so the stamp, which is why a half-made folder is never believed.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { platform } from "./cache.js";
import { withLock } from "./lock.js";
import { npm } from "./npm.js";
import { project } from "./project.js";
import { timed } from "./say.js";

const STAMP = join(project, "node_modules", ".sheaf-stamp");
const LOCK = join(project, ".sheaf", "setup.lock");

const READ_BY_NPM = [
  "name",
  "version",
  "bin",
  "engines",
  "workspaces",
  "overrides",
  "dependencies",
  "devDependencies",
  "optionalDependencies",
  "peerDependencies",
];

/** Makes node_modules what the lockfile says, under the given Node. */
export async function dependencies(node) {
  if (fresh()) return;
  mkdirSync(dirname(LOCK), { recursive: true });
  await withLock(LOCK, async (adopt) => {
    if (fresh()) return; // Another set-up did it meanwhile.
    const work = () =>
      npm(["ci", "--prefer-offline"], {
        node,
        cwd: project,
        doing: "installing the npm packages",
        onStart: adopt,
      });
    await timed("installing the npm packages of package-lock.json", () => "npm packages installed", work);
    stampDependencies();
  });
}

/** Says that node_modules is what the lockfile says. For whoever made it so. */
export function stampDependencies() {
  writeFileSync(STAMP, fingerprint());
}

function fresh() {
  try {
    return readFileSync(STAMP, "utf8") === fingerprint();
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return false;
    throw error;
  }
}

/**
 * All that `npm ci` goes by: the lockfile, and of each package.json what it is compared with (so that a new script or another
 * format installs nothing). The platform too: a folder that a container and its host share holds programs for one of them.
 */
function fingerprint() {
  const hash = createHash("sha256").update(platform);
  hash.update(readFileSync(join(project, "package-lock.json")));
  for (const folder of [project, ...workspaces()]) {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    hash.update(JSON.stringify([folder.slice(project.length), ...READ_BY_NPM.map((field) => manifest[field])]));
  }
  return hash.digest("hex");
}

/** The folders of the workspaces, as package.json's patterns name them: a folder, or all folders in one. */
function workspaces() {
  const patterns = JSON.parse(readFileSync(join(project, "package.json"), "utf8")).workspaces;
  const folders = patterns.flatMap((pattern) => {
    if (!pattern.endsWith("/*")) return [join(project, pattern)];
    const parent = join(project, pattern.slice(0, -2));
    return readdirSync(parent).map((name) => join(parent, name));
  });
  return folders.filter((folder) => existsSync(join(folder, "package.json"))).sort();
}
