import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
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
import { dirname, join, relative, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { loader } from "./elf.ts";
import { complete, type Entry, folder, link, text, tree, writeFolder } from "./entry.ts";
import { fullName, writeImage } from "./oci.ts";
import { installed } from "./programs.ts";
import { tar } from "./tar.ts";

const PROJECT = resolve(import.meta.dirname, "..", "..");
/** More than a segment: threads read and hash it. */
const LARGE = 20 << 20;
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

describe("the bundled programs", () => {
  const home = join(work, "home");
  let entries: readonly Entry[];
  before(async () => {
    entries = await installed(PROJECT, home);
    writeFolder(entries, "/");
  });
  const sheaf = (...args: string[]) =>
    execFileSync(process.execPath, [join(home, "services/cli/src/main.mjs"), ...args], {
      encoding: "utf8",
      // Nothing of the checkout is to help: neither its packages nor what it compiled before.
      cwd: work,
      env: { ...process.env, NODE_COMPILE_CACHE: join(work, "compiled"), XDG_CACHE_HOME: join(work, "cache") },
    });

  test("are the same bytes each time, wherever the project lies", async () => {
    const elsewhere = join(work, "some", "where", "else");
    const lockfile = JSON.parse(readFileSync(join(PROJECT, "package-lock.json"), "utf8")) as Lockfile;
    const isForPrograms = (path: string) => lockfile.packages[relative(PROJECT, path)]?.dev !== true;
    for (const part of ["LICENSE", "libs", "services", "node_modules"])
      cpSync(join(PROJECT, part), join(elsewhere, part), {
        recursive: true,
        verbatimSymlinks: true,
        filter: isForPrograms,
      });
    const hashes = (made: readonly Entry[]) => made.map((entry) => [entry.path, sha256(bytesOf(entry))]);
    assert.deepEqual(hashes(await installed(elsewhere, home)), hashes(entries));
  });

  test("have all that they name, and nothing of this machine or of tests", () => {
    const paths = new Set(entries.map(({ path }) => path));
    const folder = relative("/", home);
    for (const path of [
      "services/master/src/main.mjs",
      "services/worker/src/engine/thread.mjs",
      "services/worker/src/handler/thread.mjs",
      "libs/files/src/hashing/thread.mjs",
      "services/worker/src/launcher/launcher.sh",
      "node_modules/etcd3/proto/rpc.proto",
    ]) {
      assert.ok(paths.has(join(folder, path)), path);
    }
    const programs = entries.filter(({ path }) => path.endsWith(".mjs"));
    const missing = programs.flatMap((program) => {
      const content = bytesOf(program).toString();
      assert.doesNotMatch(content, /\b__dirname\b|import\.meta\.(dirname|resolve|main)\b/, program.path);
      assert.doesNotMatch(content, /(from|import) ?"node:(test|http)"/, `${program.path}: B3, and nothing of tests`);
      assert.ok(!content.includes(PROJECT), `${program.path} names this machine's folder`);
      // Modules, threads and scripts alike.
      const imported = [...content.matchAll(/(?:\bfrom |\bimport\(|^import )"(\.[^"]+)"/gm)].map(([, named = ""]) =>
        join(dirname(program.path), named),
      );
      const named = [...content.matchAll(/new URL\("([^"]+\.[mt]?[jt]s)", "file:\/\/([^"]+)"\)/g)].map(
        ([, name = "", from = ""]) => relative("/", join(dirname(from), name)),
      );
      return [...imported, ...named].filter((path) => !paths.has(path)).map((path) => `${program.path} names ${path}`);
    });
    assert.deepEqual(missing, []);
    for (const path of paths) assert.doesNotMatch(path, /\.test\.|\/testing\/|\.ts$/);
    for (const name of ["esbuild", "typescript", "fast-check"])
      assert.ok(!paths.has(join(folder, "node_modules", name, "package.json")), name);
  });

  test("say of each package that is in them what it is and by which licence", () => {
    const manifests = entries.filter(({ path }) => /node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path));
    assert.ok(manifests.length > 50, `only ${manifests.length} packages`);
    for (const manifest of manifests) {
      const { license, version } = JSON.parse(bytesOf(manifest).toString()) as Record<string, string>;
      assert.ok(license !== undefined && version !== undefined, manifest.path);
    }
    const paths = entries.map(({ path }) => path);
    assert.ok(paths.some((path) => path.endsWith("node_modules/pino/LICENSE")));
    assert.ok(paths.includes(join(relative("/", home), "LICENSE")));
  });

  test("run a pipeline: every service, commands, a merge, large files, and a handler in TypeScript", () => {
    const [input, output] = [join(work, "input"), join(work, "output")];
    mkdirSync(input);
    for (const name of ["a", "b"]) writeFileSync(join(input, name), `${name}\t1\n`);
    writeFileSync(join(input, "large"), Buffer.alloc(LARGE, "large\t1\n"));
    sheaf("run", "-i", input, "-o", output, "--", "sh", "-c", 'cp "$SHEAF_INPUT" "$SHEAF_OUT/"');
    for (const name of ["a", "b", "large"])
      assert.deepEqual(readFileSync(join(output, name)), readFileSync(join(input, name)), name);
    const [handler, sizes] = [join(work, "handler.ts"), join(work, "sizes")];
    writeFileSync(
      handler,
      `export default (datum: { name: string; write(path: string, text: string): void; bytes(): Uint8Array }): void =>
        datum.write("total", "bytes\\t" + datum.bytes().length + "\\n");`,
    );
    sheaf("run", "-i", input, "-o", sizes, "--merge", "sum", "--handler", handler);
    assert.equal(readFileSync(join(sizes, "total"), "utf8"), `bytes\t${LARGE + 8}\n`);
  });
});

test("static and dynamic programs are told apart", {
  skip: process.platform !== "linux" && "programs of Linux",
}, () => {
  assert.match(loader(process.execPath) ?? "", /^\/.*ld-/);
  assert.throws(() => loader(join(PROJECT, "package.json")), /no 64-bit program/);
  if (existsSync("/bin/busybox")) assert.equal(loader("/bin/busybox"), undefined);
});

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

async function packed(entries: readonly Entry[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of tar(entries)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function bytesOf(entry: Entry): Buffer {
  assert.equal(entry.kind, "file");
  return entry.kind !== "file" ? Buffer.alloc(0) : "content" in entry ? entry.content : readFileSync(entry.source);
}

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
