// How the set-up calls npm: npm's own script under the Node that we chose, and its failures in words.
import { existsSync, realpathSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { lastLines, run } from "./child.js";
import { Trouble } from "./say.js";

/** Fewer and shorter tries than npm's own: without a network a person should hear so within seconds. */
const PATIENCE = [
  "--fetch-retries=2",
  "--fetch-retry-mintimeout=500",
  "--fetch-retry-maxtimeout=3000",
  "--fetch-timeout=60000",
];
const QUIET = ["--no-audit", "--no-fund", "--no-progress", "--no-update-notifier", "--loglevel=warn"];

/**
 * Runs npm in `cwd` under `node`; throws Trouble, in words, when it fails. `engine-strict` makes npm refuse to install under an
 * older Node than the project's, so npm must not run under the machine's.
 */
export async function npm(args, { node, cwd, doing, onStart }) {
  const script = npmScript();
  const env = withNodeFirst(node);
  // npm tells its scripts the command line it was given itself. A nested npm would take these for its own.
  for (const name of ["npm_config_global", "npm_config_workspace", "npm_config_workspaces", "npm_config_dry_run"])
    delete env[name];
  const all = [...args, "--ignore-scripts", ...PATIENCE, ...QUIET];
  const result = script
    ? await run(node, [script, ...all], { cwd, env, onStart })
    : await run("npm", all, { cwd, env, onStart });
  // On a full disk npm only warns, leaves files cut short and ends with 0.
  if (result.code !== 0 || result.output.includes("TAR_ENTRY_ERROR"))
    throw new Trouble(
      `${doing} failed (npm ${args[0]}, exit code ${result.code}):\n${indent(result.output)}`,
      remedy(result),
    );
}

/** The environment with the given Node before any other. */
export function withNodeFirst(node, env = process.env) {
  return {
    ...env,
    PATH: [dirname(node), env.PATH ?? ""].join(delimiter),
    NODE: node,
    npm_node_execpath: node,
  };
}

/** npm's own script: the npm that runs us, or the one on the PATH. Undefined when that is no script (a shim of a version manager). */
function npmScript() {
  const caller = process.env.npm_execpath;
  if (caller && /^np[mx]-cli\.js$/.test(basename(caller))) {
    const script = join(dirname(caller), "npm-cli.js");
    if (existsSync(script)) return script;
  }
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, "npm");
    if (folder === "" || !existsSync(file)) continue;
    const real = realpathSync(file);
    return real.endsWith(".js") ? real : undefined;
  }
  throw new Trouble("npm is not on the PATH.", "install npm (it comes with Node), then run again.");
}

function remedy({ code, output }) {
  const has = (...words) => words.some((word) => output.includes(word));
  if (code === 127) return "install npm (it comes with Node), then run again.";
  if (code === 137) return "it was killed: memory may have run out. Run again.";
  if (has("ENOSPC", "EDQUOT", "no space left")) return "the disk is full: free some space, then run again.";
  if (
    has(
      "ENOTFOUND",
      "EAI_AGAIN",
      "ECONNREFUSED",
      "ECONNRESET",
      "ETIMEDOUT",
      "ENETUNREACH",
      "EHOSTUNREACH",
      "ERR_SOCKET_TIMEOUT",
      "ENOTCACHED",
    )
  )
    return "npm's registry cannot be reached: see to the network (or to proxy and registry in your .npmrc), then run again.";
  if (has("EACCES", "EPERM", "EROFS"))
    return "this user may not write there: change the owner of the folder that npm names, then run again.";
  if (has("EUSAGE")) return "package.json and package-lock.json do not agree: run `npm run lockfile`, then run again.";
  if (has("ETARGET", "E404"))
    return "npm's registry does not have this version: see to the registry in your .npmrc, then run again.";
  if (has("EINTEGRITY")) return "a download was not what the lockfile names: run `npm cache verify`, then run again.";
  return "see what npm says above, then run again.";
}

/** What npm says of its failure, without what it warns of besides and where its log lies. */
function indent(output) {
  const lines = output.split("\n").filter((line) => !/^npm .*(complete log of this run|Unknown .* config)/.test(line));
  const errors = lines.filter((line) => /^npm (error|ERR!) \S/.test(line));
  const said = new Set(errors.length > 0 ? errors : lines); // A full disk says the same of every file.
  return lastLines([...said].slice(0, 8).join("\n")).replaceAll(/^/gm, "    ");
}
