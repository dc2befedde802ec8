// etcd from its sources, through Go's module proxy. `go install ...@version` is refused because of replace directives in etcd's
// own go.mod, so the go.mod and go.sum beside this file name every module that the server needs.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run, whyItFailed } from "../child.js";

export const BUILT_VERSION = "3.6.16";
const LEAST_GO = 26;
const FLAGS = ["-trimpath", "-gcflags=all=-dwarf=false", "-ldflags=-s -w"];

/** Why this machine cannot build etcd, or undefined when it can. */
export async function goCannot() {
  const { code, stdout } = await run("go", ["env", "GOVERSION"], {
    timeoutMs: 20_000,
    env: { ...process.env, GOTOOLCHAIN: "local" },
  });
  if (code !== 0) return "Go is not installed";
  const version = stdout.trim();
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) > 1 || Number(minor) >= LEAST_GO) return undefined;
  return `Go is ${version.replace("go", "")}, and etcd ${BUILT_VERSION} needs 1.${LEAST_GO}`;
}

/** Builds etcd into `folder`. GOGC=400: a compiler that collects less often is a quarter faster here. */
export async function build(folder, onStart) {
  const cwd = dirname(fileURLToPath(import.meta.url));
  const env = {
    ...process.env,
    CGO_ENABLED: "0",
    GOGC: "400",
    GOTOOLCHAIN: "local",
    GOWORK: "off",
    GOFLAGS: "-mod=readonly",
  };
  const args = ["build", ...FLAGS, "-o", join(folder, "etcd"), "go.etcd.io/etcd/server/v3"];
  const result = await run("go", args, { cwd, env, onStart });
  if (result.code !== 0) throw new Error(whyItFailed("go build", result));
}
