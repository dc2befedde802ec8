import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, test } from "node:test";
import { loader } from "./elf.ts";
import { complete, type Entry, folder, link, text, tree } from "./entry.ts";
import { fullName, writeImage } from "./oci.ts";
import { packages, productionPackages } from "./packages.ts";
import { sources } from "./sources.ts";
import { tar } from "./tar.ts";

const PROJECT = resolve(import.meta.dirname, "..", "..");
const work = mkdtempSync(join(tmpdir(), "sheaf-image-test-"));
after(() => rmSync(work, { recursive: true, force: true }));

test("what tar packs, the system's tar unpacks: modes, links, long paths, empty files", async () => {
  const long = `${"deep/".repeat(30)}${"n".repeat(90)}`;
  const entries = [
    text("a/run", "#!/bin/sh\n", 0o755),
    text("empty", ""),
    text(long, "far"),
    link("a/link", "run"),
    folder("t", 0o1777),
  ];
  const archive = join(work, "some.tar");
  writeFileSync(archive, await packed(complete(entries)));
  const listed = execFileSync("tar", ["--numeric-owner", "--utc", "-tvf", archive], { encoding: "utf8" });
  assert.match(listed, /^-rwxr-xr-x 0\/0 +10 1970-01-01 00:00 a\/run$/m);
  assert.match(listed, /^lrwxrwxrwx 0\/0 +0 1970-01-01 00:00 a\/link -> run$/m);
  assert.match(listed, /^drwxrwxrwt 0\/0 .* t\/$/m);
  assert.match(listed, /^-rw-r--r-- 0\/0 +0 .* empty$/m);
  execFileSync("tar", ["-xf", archive, "-C", work]);
  assert.equal(readFileSync(join(work, long), "utf8"), "far");
});

test("a path or a link that tar cannot hold is refused, and not cut", async () => {
  await assert.rejects(packed([text("n".repeat(101), "")]), /too long for tar/);
  await assert.rejects(packed([link("a", "n".repeat(101))]), /too long for tar/);
});

test("the same files give the same image, whatever their times are and in whatever order they were made", async () => {
  const digests: string[] = [];
  for (const [i, names] of [
    ["a", "b", "c"],
    ["c", "a", "b"],
  ].entries()) {
    const root = join(work, `root-${i}`);
    mkdirSync(join(root, "bin"), { recursive: true });
    for (const name of names) writeFileSync(join(root, "bin", name), name);
    symlinkSync("a", join(root, "bin", "d"));
    utimesSync(join(root, "bin", "a"), i, i);
    const layers = [tree("", root, () => true)];
    digests.push(await writeImage({ name: "x:1", layers, config: {} }, join(work, `image-${i}.tar`)));
  }
  assert.equal(digests[0], digests[1]);
  assert.deepEqual(readFileSync(join(work, "image-0.tar")), readFileSync(join(work, "image-1.tar")));
  const other = await writeImage({ name: "x:1", layers: [[text("bin/a", "b")]], config: {} }, join(work, "other.tar"));
  assert.notEqual(other, digests[0]);
});

test("short names are what containerd makes of them", () => {
  assert.equal(fullName("sheaf:dev"), "docker.io/library/sheaf:dev");
  assert.equal(fullName("team/sheaf:dev"), "docker.io/team/sheaf:dev");
  assert.equal(fullName("sheaf.test/pause:1"), "sheaf.test/pause:1");
  assert.equal(fullName("localhost/sheaf:1"), "localhost/sheaf:1");
});

test("of the lockfile, only what runs in production", () => {
  const lockfile = {
    packages: {
      "": {},
      "libs/a": {},
      "node_modules/@sheaf/a": { link: true },
      "node_modules/runs": {},
      "node_modules/runs/node_modules/inner": {},
      "node_modules/tool": { dev: true },
      "node_modules/both": { devOptional: true },
      "node_modules/elsewhere": { optional: true },
    },
  };
  assert.deepEqual(
    productionPackages(JSON.stringify(lockfile)).map(({ path }) => path),
    ["node_modules/runs", "node_modules/runs/node_modules/inner", "node_modules/elsewhere"],
  );
});

test("the image has all that its sources import, and nothing of tests", () => {
  const entries = [...packages(PROJECT), ...sources(PROJECT, process.execPath)];
  const paths = new Set(entries.map(({ path }) => path));
  const ours = entries.filter(
    (entry): entry is Entry & { source: string } =>
      /^opt\/sheaf\/(libs|services)\/.*\.ts$/.test(entry.path) && "source" in entry,
  );
  assert.ok(ours.length > 200, `only ${ours.length} sources`);
  const missing = ours.flatMap(({ path, source }) =>
    // Modules, threads and scripts alike: whatever is named by a path from where it stands.
    [...readFileSync(source, "utf8").matchAll(/(?:from |import\(|import |new URL\()"(\.[^"]+\.(?:ts|js|sh))"/g)]
      .map(([, named = ""]) => join(dirname(path), named))
      .filter((target) => !paths.has(target))
      .map((target) => `${path} names ${target}`),
  );
  assert.deepEqual(missing, []);
  const outside = ours.flatMap(({ path, source }) =>
    [...readFileSync(source, "utf8").matchAll(/^(?:import|export) .*from "((?:@[^/"]+\/)?[^./"@][^/"]*)[^"]*"/gm)]
      .map(([, name = ""]) => name)
      .filter(
        (name) =>
          !name.startsWith("node:") &&
          ![...paths].some(
            (p) => p === `opt/sheaf/node_modules/${name}` || p.startsWith(`opt/sheaf/node_modules/${name}/`),
          ),
      )
      .map((name) => `${path} imports ${name}`),
  );
  assert.deepEqual(outside, []);
  for (const path of paths) assert.doesNotMatch(path, /^opt\/sheaf\/(libs|services)\/.*(\.test\.|\/testing\/)/);
  for (const name of ["typescript", "@biomejs", "fast-check", "knip"])
    assert.ok(!paths.has(`opt/sheaf/node_modules/${name}/package.json`), name);
  assert.ok(paths.has("opt/sheaf/user/busybox"));
});

test("static and dynamic programs are told apart", {
  skip: process.platform !== "linux" && "programs of Linux",
}, () => {
  assert.match(loader(process.execPath) ?? "", /^\/.*ld-/);
  assert.throws(() => loader(join(PROJECT, "package.json")), /no 64-bit program/);
  if (existsSync("/bin/busybox")) assert.equal(loader("/bin/busybox"), undefined);
});

async function packed(entries: readonly Entry[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of tar(entries)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
