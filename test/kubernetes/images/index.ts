/**
 * The images of tests: Sheaf's own, the pause image that every pod needs, two of users, one with a shell and one without, and what
 * the overlay `try` takes from elsewhere, by the names that it has there.
 */
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, renameSync, symlinkSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram } from "../programs.ts";

const run = promisify(execFile);
const IMAGE = join(import.meta.dirname, "..", "..", "..", "deploy", "image");
const PROGRAMS = join(import.meta.dirname, "programs");

/** By the names that pods give: `imagePullPolicy: Never`, nothing is fetched. */
export const NAMES = {
  sheaf: "sheaf:dev",
  pause: "sheaf.test/pause:1",
  /** busybox, all of its programs, and `knock`, which asks a server for a page. */
  shell: "sheaf.test/shell:1",
  /** A single program, `/count`: no shell, no other file. */
  bare: "sheaf.test/bare:1",
  coredns: "sheaf.test/coredns:1",
  etcd: "gcr.io/etcd-development/etcd:v3.6.15",
  versitygw: "ghcr.io/versity/versitygw:v1.8.0",
} as const;

export type ImageName = keyof typeof NAMES;

/** Makes images in `folder`, those that are not there yet; returns the archives in the order asked for. */
export async function images(folder: string, names: readonly ImageName[]): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  return await Promise.all(
    names.map(async (name) => {
      const file = join(folder, `${name}.tar`);
      if (!existsSync(file)) await MAKERS[name](file);
      return file;
    }),
  );
}

const MAKERS: Readonly<Record<ImageName, (file: string) => Promise<void>>> = {
  sheaf: (file) => node("main.ts", "--name", NAMES.sheaf, "--out", file),
  pause: (file) => ofProgram("pause", file, NAMES.pause),
  bare: (file) => ofProgram("count", file, NAMES.bare),
  coredns: (file) => ofBuilt("coredns", file),
  versitygw: (file) => ofBuilt("versitygw", file),
  etcd: (file) => ofFile("etcd", process.env["SHEAF_ETCD_BIN"] ?? "", file),
  shell: async (file) => {
    const root = rootOf(file);
    const { stdout } = await run("busybox", ["--list"]);
    const { stdout: place } = await run("sh", ["-c", "command -v busybox"]);
    mkdirSync(join(root, "bin"), { recursive: true });
    await copyFile(place.trim(), join(root, "bin", "busybox"));
    for (const applet of stdout.trim().split("\n"))
      if (applet !== "busybox") symlinkSync("busybox", join(root, "bin", applet));
    mkdirSync(join(root, "tmp"));
    chmodSync(join(root, "tmp"), 0o1777);
    await build("knock", join(root, "bin", "knock"));
    await pack(root, file, NAMES.shell);
  },
};

/** An image of one static program of ours, at its root, which it starts. */
async function ofProgram(program: string, file: string, name: string): Promise<void> {
  await build(program, join(rootOf(file), program));
  await pack(rootOf(file), file, name, "--entrypoint", `/${program}`);
}

async function build(program: string, file: string): Promise<void> {
  const env = { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOWORK: "off", GOFLAGS: "-buildvcs=false" };
  await run("go", ["build", "-trimpath", "-ldflags=-s -w", "-o", file, `./${program}`], { cwd: PROGRAMS, env });
}

async function ofBuilt(name: "coredns" | "versitygw", file: string): Promise<void> {
  const found = await findProgram(name);
  if ("cannot" in found) throw new Error(`no image of ${name}: ${found.cannot}`);
  await ofFile(name, found.file, file);
}

/** An image of one static program that is there already, as /usr/local/bin/NAME. */
async function ofFile(name: ImageName, program: string, file: string): Promise<void> {
  const folder = join(rootOf(file), "usr", "local", "bin");
  mkdirSync(folder, { recursive: true });
  await copyFile(program, join(folder, name));
  chmodSync(join(folder, name), 0o755);
  await pack(rootOf(file), file, NAMES[name]);
}

const rootOf = (file: string) => `${file.slice(0, -".tar".length)}.root`;

async function pack(root: string, file: string, name: string, ...more: string[]): Promise<void> {
  await node("pack.ts", "--name", name, "--out", `${file}.draft`, ...more, root);
  renameSync(`${file}.draft`, file);
}

async function node(program: string, ...args: string[]): Promise<void> {
  await run(process.execPath, [join(IMAGE, program), ...args]);
}
