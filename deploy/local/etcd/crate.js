// etcd from cargo: crates that carry the released program. Nothing is compiled.
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { platform } from "../cache.js";
import { run, whyItFailed } from "../child.js";

export const CRATE_VERSION = "3.6.15";
/** The SHA-256 of the program in each crate. */
const CRATES = {
  "linux-x64": ["etcd-bin-vendored-linux-amd64", "75fb09e834e9f14aaf2d06bfefdb94c5a31c1e2418a26612973f66e318da46c5"],
  "linux-arm64": ["etcd-bin-vendored-linux-arm64", "117cc09981c0f1eb378e7520be6969756c2d6a762f376944e53f7bc9800c0c59"],
  "darwin-x64": ["etcd-bin-vendored-darwin-amd64", "1686e981d1e171afd61b2b7269429fad9fe24025151e7cf67e8fe7f533df7577"],
  "darwin-arm64": [
    "etcd-bin-vendored-darwin-arm64",
    "dd2596ab902c23252da55e770cb7f7216522ae5599f84d2a20e0e7272d52fe82",
  ],
};

/** Why this machine cannot take etcd from cargo, or undefined when it can. */
export async function cargoCannot() {
  if (CRATES[platform] === undefined) return `there is no crate of it for ${platform}`;
  const { code } = await run("cargo", ["--version"], { timeoutMs: 20_000 });
  return code === 0 ? undefined : "cargo is not installed";
}

/**
 * Puts etcd into `folder`. The manifest is written here and not committed, with the user's own cargo home: mirror settings live
 * there, and a committed Cargo.lock would name the registry.
 */
export async function fetchCrate(folder, onStart) {
  const [name, sha256] = CRATES[platform];
  const place = join(folder, "manifest");
  const manifest = join(place, "Cargo.toml");
  mkdirSync(join(place, "src"), { recursive: true });
  writeFileSync(join(place, "src", "lib.rs"), "");
  // A workspace of its own: a Cargo.toml somewhere above must not claim it.
  writeFileSync(
    manifest,
    `[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n${name} = "=${CRATE_VERSION}"\n`,
  );
  await cargo(["fetch", "--quiet", "--manifest-path", manifest], place, onStart);
  const metadata = JSON.parse(
    await cargo(["metadata", "--format-version=1", "--offline", "--manifest-path", manifest], place, onStart),
  );
  const found = metadata.packages.find((entry) => entry.name === name && entry.version === CRATE_VERSION);
  const program = join(dirname(found.manifest_path), "bin", "etcd");
  const sum = createHash("sha256").update(readFileSync(program)).digest("hex");
  if (sum !== sha256) throw new Error(`${program} has the SHA-256 ${sum}, expected ${sha256}`);
  copyFileSync(program, join(folder, "etcd"));
  chmodSync(join(folder, "etcd"), 0o755);
  rmSync(place, { recursive: true });
}

async function cargo(args, cwd, onStart) {
  const result = await run("cargo", args, { cwd, timeoutMs: 300_000, onStart });
  if (result.code !== 0) throw new Error(whyItFailed(`cargo ${args[0]}`, result));
  return result.stdout;
}
