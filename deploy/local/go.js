// Programs from their sources, through Go's module proxy. A folder here holds a go.mod and go.sum that name every module.

import { join } from "node:path";
import { run, whyItFailed } from "./child.js";

const LEAST_GO = 26;
const FLAGS = ["-trimpath", "-gcflags=all=-dwarf=false"];

/** Why this machine cannot build `what`, or undefined when it can. */
export async function goCannot(what) {
  const { code, stdout } = await run("go", ["env", "GOVERSION"], {
    timeoutMs: 20_000,
    env: { ...process.env, GOTOOLCHAIN: "local" },
  });
  if (code !== 0) return "Go is not installed";
  const version = stdout.trim();
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) > 1 || Number(minor) >= LEAST_GO) return undefined;
  return `Go is ${version.replace("go", "")}, and ${what} needs 1.${LEAST_GO}`;
}

/**
 * Builds the package `source` as `folder/program`, by the go.mod in `cwd`; `variables` of its packages are set by the linker.
 * GOGC=400: a compiler that collects less often is a quarter faster here.
 */
export async function goBuild({ cwd, source, program, folder, onStart, variables = {} }) {
  const env = {
    ...process.env,
    CGO_ENABLED: "0",
    GOGC: "400",
    GOTOOLCHAIN: "local",
    GOWORK: "off",
    GOFLAGS: "-mod=readonly",
  };
  const set = Object.entries(variables).map(([name, value]) => ` -X ${name}=${value}`);
  const args = ["build", ...FLAGS, `-ldflags=-s -w${set.join("")}`, "-o", join(folder, program), source];
  const result = await run("go", args, { cwd, env, onStart });
  if (result.code !== 0) throw new Error(whyItFailed("go build", result));
}
