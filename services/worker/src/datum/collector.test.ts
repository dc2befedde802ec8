// What becomes of whatever a command may leave: name, fixture, and what is found or why it fails.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileEntry, PackWriter } from "@sheaf/files";
import { memoryStore } from "@sheaf/storage";
import { type CollectorLimits, collect, type Places } from "./collector.ts";
import { changedSince, type OutputFile, openOutput } from "./output-file.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "sheaf-collector-test-")));
after(() => rmSync(root, { recursive: true }));
const isRoot = process.getuid?.() === 0;
let count = 0;

/** A datum's folder, as a command sees it. */
function datum(): Places {
  const pfs = join(root, String(count++), "pfs");
  const out = join(pfs, "out");
  mkdirSync(join(pfs, "in"), { recursive: true });
  mkdirSync(out);
  writeFileSync(join(pfs, "in", "input"), "in");
  return { out, pfs };
}

function read(file: OutputFile & { kind: "file" }): string {
  const opened = openOutput(file);
  if (!opened.ok) return opened.failure.reason;
  const bytes = Buffer.alloc(opened.size);
  readSync(opened.fd, bytes);
  closeSync(opened.fd);
  return `${bytes}${opened.executable ? " (executable)" : ""}`;
}

/** What is found: path and content. Or reason and message of the failure. */
function found(places: Places, limits?: CollectorLimits): Record<string, string> | string {
  const collected = collect(places, limits);
  if (!collected.ok) return `${collected.failure.reason}: ${collected.failure.message}`;
  return Object.fromEntries(
    collected.files.map((file) => [file.path, file.kind === "file" ? read(file) : `-> ${file.entry.path}`]),
  );
}

type Expected = Record<string, string> | RegExp;
type Case = readonly [what: string, left: (places: Places) => void, expected: Expected, limits?: CollectorLimits];

const put = (places: Places, name: string | Buffer, content = "") =>
  writeFileSync(Buffer.concat([Buffer.from(`${places.out}/`), Buffer.from(name as string)]), content);
const link = (to: string) => (places: Places) => symlinkSync(to, join(places.out, "link"));
const NAMES = ["-n", "a b", "%2F", "dot.", "ü", "x".repeat(255), "🙂", "'\"", "*", "[a]", "~", "$(x)", ".hidden"];

const CASES: readonly Case[] = [
  ["nothing", () => {}, {}],
  [
    "files at any depth; empty folders are dropped",
    (places) => {
      mkdirSync(join(places.out, "a/b"), { recursive: true });
      mkdirSync(join(places.out, "empty/too"), { recursive: true });
      put(places, "a/b/c", "1");
      put(places, "d");
    },
    { "/a/b/c": "1", "/d": "" },
  ],
  // 64
  [
    "links that stay inside the output, or lead to an input",
    (places) => {
      mkdirSync(join(places.out, "d"));
      put(places, "d/f", "1");
      symlinkSync("d/f", join(places.out, "file"));
      symlinkSync("d", join(places.out, "folder"));
      symlinkSync(join(places.pfs, "in/input"), join(places.out, "input"));
      symlinkSync("../in", join(places.out, "inputs"));
      symlinkSync("file", join(places.out, "twice"));
      symlinkSync("folder/../d/./f", join(places.out, "round"));
    },
    {
      ...{ "/file": "1", "/input": "in", "/twice": "1", "/inputs/input": "in", "/folder/f": "1", "/d/f": "1" },
      "/round": "1",
    },
  ],
  [
    "links by the path that the command may see its files at",
    (places) => {
      symlinkSync("/pfs/in/input", join(places.out, "input"));
      symlinkSync("/pfs/out/input", join(places.out, "twice"));
      symlinkSync("/pfs/in", join(places.out, "inputs"));
    },
    { "/input": "in", "/twice": "in", "/inputs/input": "in" },
  ],
  ["a link out of the datum", link("/etc/passwd"), /^SYMLINK_ESCAPE: .*"\/link".* to \/etc\/passwd, outside/],
  ["a link to a folder outside", link("/etc"), /^SYMLINK_ESCAPE: .*outside/],
  ["a link to nothing", link("nowhere"), /^SYMLINK_ESCAPE: .*nowhere, where nothing is/],
  ["a link to itself", link("link"), /^SYMLINK_ESCAPE: .*round in a circle/],
  ["a link to a folder above it", link("."), /^SYMLINK_ESCAPE: .*a folder that it lies in/],
  ["a link to the neighbour of the datum", link("../../pfs-2"), /^SYMLINK_ESCAPE: .*outside/],
  ["a link to the datum's own folder", link("../.."), /^SYMLINK_ESCAPE: .*outside/],
  ["a link to the folder of all inputs", link(".."), /^SYMLINK_ESCAPE: .*a folder that it lies in/],
  ["a link past /pfs", link("/pfs/../etc/passwd"), /^SYMLINK_ESCAPE/],
  [
    "a link out of the datum by way of another",
    (places) => {
      symlinkSync("/etc", join(places.pfs, "in/etc"));
      symlinkSync("../in/etc/passwd", join(places.out, "link"));
    },
    /^SYMLINK_ESCAPE: .*to \/etc\/passwd/,
  ],
  [
    "links that grow without end",
    (places) => {
      for (const [from, to] of ["ab", "ba"]) {
        mkdirSync(join(places.out, `${from}`));
        symlinkSync(`../${to}`, join(places.out, `${from}/1`));
        symlinkSync(`../${to}`, join(places.out, `${from}/2`));
      }
    },
    /^OUTPUT_TOO_DEEP/,
  ],
  // 66
  ["a FIFO", ({ out }) => execFileSync("mkfifo", [join(out, "p")]), /^SPECIAL_FILE: .*"\/p".* a FIFO/],
  [
    "a link to a FIFO",
    (places) => {
      execFileSync("mkfifo", [join(places.pfs, "in/p")]);
      symlinkSync("../in/p", join(places.out, "link"));
    },
    /^SPECIAL_FILE: .*"\/link".* a FIFO/,
  ],
  // 67
  [
    "hard links are kept apart",
    (places) => {
      put(places, "a", "1");
      linkSync(join(places.out, "a"), join(places.out, "b"));
    },
    { "/a": "1", "/b": "1" },
  ],
  // 58
  [
    "of the modes the executable bit is kept, also with setuid",
    (places) => {
      for (const [name, mode] of [
        ["plain", 0o666],
        ["run", 0o755],
        ["setuid", 0o6755],
        ["others-run", 0o655],
        ["read-only", 0o400],
      ] as const) {
        put(places, name, "1");
        chmodSync(join(places.out, name), mode);
      }
    },
    {
      ...{ "/plain": "1", "/run": "1 (executable)", "/setuid": "1 (executable)", "/others-run": "1" },
      "/read-only": "1",
    },
  ],
  // 69
  [
    "every name that is text",
    (places) => {
      for (const name of NAMES) put(places, name);
    },
    Object.fromEntries(NAMES.map((name) => [`/${name}`, ""])),
  ],
  ["a name that is no UTF-8", (p) => put(p, Buffer.from("a\xff", "latin1")), /^BAD_NAME: .*"\/a\\\\xff".*UTF-8/],
  ["a name with a newline", (places) => put(places, "a\nb"), /^BAD_NAME: .*"\/a\\nb".*control character/],
  ["a name with an escape", (places) => put(places, "a\x1b[2J"), /^BAD_NAME: .*"\/a\\u001b\[2J"/],
  ["a name with a backslash", (places) => put(places, "a\\b"), /^BAD_NAME: .*"\/a\\\\b".*backslash/],
  ["a name that ends with a space", (places) => put(places, "a "), /^BAD_NAME: .*space/],
  ["a name that is not composed", (places) => put(places, "cafe\u0301"), /^BAD_NAME: .*NFC/],
  [
    "a path that is too long",
    (places) => {
      const folder = join(...Array.from({ length: 4 }, () => "x".repeat(250)));
      mkdirSync(join(places.out, folder), { recursive: true });
      put(places, join(folder, "y".repeat(250)));
    },
    /^BAD_NAME: .*longer than 1024 bytes/,
  ],
  // 71
  [
    "too many folders in one another",
    ({ out }) => mkdirSync(join(out, ..."x".repeat(150).split("")), { recursive: true }),
    /^OUTPUT_TOO_DEEP: .*more than 100 folders deep/,
  ],
  [
    "too many files",
    (places) => {
      for (let i = 0; i < 11; i++) put(places, String(i));
    },
    /^TOO_MANY_OUTPUTS: .*10 files/,
    { entries: 10 },
  ],
  // 35, 77
  [
    "more bytes than allowed",
    (places) => {
      put(places, "a", "x".repeat(600));
      put(places, "b", "x".repeat(600));
    },
    /^OUTPUT_TOO_LARGE: the output has 1200 bytes; resource_limits.disk allows 1000/,
    { bytes: 1_000 },
  ],
  ["as many bytes as allowed", (places) => put(places, "a", "x".repeat(9)), { "/a": "x".repeat(9) }, { bytes: 9 }],
  [
    "holes that are larger than any disk",
    (places) => {
      put(places, "a");
      truncateSync(join(places.out, "a"), 2 ** 40);
    },
    /^OUTPUT_TOO_LARGE: the output claims 1099511627776 bytes, 1099511627776 of them in holes/,
  ],
  [
    "a hole that is bearable",
    (places) => {
      put(places, "a", "1");
      truncateSync(join(places.out, "a"), 5_000);
    },
    { "/a": `1${"\0".repeat(4_999)}` },
  ],
  // The command's own folders.
  ["no output folder", ({ out }) => rmSync(out, { recursive: true }), /^OUTPUT_MISSING: .*removed/],
  [
    "a link in the place of the output folder",
    ({ out }) => {
      rmSync(out, { recursive: true });
      symlinkSync("/etc", out);
    },
    /^OUTPUT_MISSING: .*something else/,
  ],
  [
    "a link in the place of the folder above",
    ({ out, pfs }) => {
      renameSync(pfs, `${pfs}-2`);
      symlinkSync(`${pfs}-2`, pfs);
      writeFileSync(join(out, "x"), "");
    },
    /^OUTPUT_MISSING: .*something else/,
  ],
  [
    "a file in the place of the output folder",
    ({ out }) => {
      rmSync(out, { recursive: true });
      writeFileSync(out, "1");
    },
    /^OUTPUT_MISSING/,
  ],
];

describe("collect() of", () => {
  for (const [what, left, expected, limits] of CASES) {
    it(what, () => {
      const places = datum();
      left(places);
      const result = found(places, limits);
      if (expected instanceof RegExp) assert.match(String(result), expected);
      else assert.deepEqual(result, expected);
    });
  }

  it("a socket, and a device", async (context) => {
    const places = datum();
    const server = createServer().listen(join(places.out, "s"));
    await new Promise((resolve) => server.on("listening", resolve));
    assert.match(String(found(places)), /^SPECIAL_FILE: .*a socket/);
    server.close();
    const device = datum();
    if (spawnSync("mknod", [join(device.out, "zero"), "c", "1", "5"]).status !== 0)
      return context.diagnostic("no device can be made here");
    assert.match(String(found(device)), /^SPECIAL_FILE: .*a device/);
  });

  // 68
  it("what its owner may not read: root reads it, anybody else is told", (context) => {
    for (const what of ["file", "folder"]) {
      const places = datum();
      if (what === "file") put(places, "x", "1");
      else mkdirSync(join(places.out, "x"));
      const nobody = 65_534;
      if (isRoot) {
        chmodSync(root, 0o755);
        chownSync(places.out, nobody, nobody);
        chownSync(join(places.out, "x"), nobody, nobody);
      }
      chmodSync(join(places.out, "x"), 0);
      if (isRoot) {
        assert.deepEqual(found(places), what === "file" ? { "/x": "1" } : {});
        process.seteuid?.(nobody);
      } else context.diagnostic("not root: only the failure is seen");
      try {
        const seen = found(places);
        const failure = what === "file" ? (seen as Record<string, string>)["/x"] : seen;
        assert.match(String(failure), /^OUTPUT_UNREADABLE/);
      } finally {
        if (isRoot) process.seteuid?.(0);
        chmodSync(join(places.out, "x"), 0o700);
      }
    }
  });

  it("links to inputs whose content is not here: as references", async () => {
    const places = datum();
    const packs = new PackWriter(memoryStore());
    const entry = fileEntry("/a/f", packs.add(Buffer.from("content")), { executable: true });
    mkdirSync(join(places.pfs, "in/a"));
    writeFileSync(join(places.pfs, "in/a/f"), "");
    execFileSync("mkfifo", [join(places.pfs, "in/a/lazy")]);
    writeFileSync(join(places.pfs, "in/a/own"), "not from the store");
    symlinkSync("/pfs/in/a", join(places.out, "folder"));
    symlinkSync("../in/a/f", join(places.out, "file"));
    const absent = (path: string) => (path === "in/a/f" || path === "in/a/lazy" ? entry : undefined);
    assert.deepEqual(found({ ...places, absent }), {
      "/file": "-> /a/f",
      "/folder/f": "-> /a/f",
      "/folder/lazy": "-> /a/f",
      "/folder/own": "not from the store",
    });
    // What the command wrote there itself is what it meant.
    writeFileSync(join(places.pfs, "in/a/f"), "mine");
    assert.equal((found({ ...places, absent }) as Record<string, string>)["/file"], "mine");
  });
});

describe("what is opened", () => {
  /** One file, looked at. */
  function looked() {
    const places = datum();
    mkdirSync(join(places.out, "d"));
    put(places, "d/f", "12345");
    const collected = collect(places);
    assert.ok(collected.ok && collected.files[0]?.kind === "file");
    // Older kernels tell times of change by a clock that ticks every few milliseconds.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    return { path: join(places.out, "d/f"), folder: join(places.out, "d"), file: collected.files[0] };
  }

  // 65
  for (const [what, exchange] of [
    ["a link in its place", (path: string) => symlinkSync("/etc/passwd", path)],
    ["a FIFO in its place", (path: string) => execFileSync("mkfifo", [path])],
    ["nothing in its place", () => {}],
    ["another file of the same size in its place", (path: string) => writeFileSync(path, "12345")],
  ] as const) {
    it(`is not ${what}`, () => {
      const { path, file } = looked();
      rmSync(path);
      exchange(path);
      const opened = openOutput(file);
      assert.ok(!opened.ok && opened.failure.reason === "OUTPUT_CHANGED");
    });
  }

  it("is not a file of a folder that was moved, or put in the place of the one that was looked at", () => {
    const { folder, file } = looked();
    renameSync(folder, `${folder}-2`);
    symlinkSync(`${folder}-2`, folder);
    const opened = openOutput(file);
    assert.ok(!opened.ok && opened.failure.reason === "OUTPUT_CHANGED");
  });

  // 47, 48
  for (const [what, change] of [
    ["grew", (path: string) => appendFileSync(path, "6")],
    ["shrank", (path: string) => truncateSync(path, 1)],
    [
      "was written to, and its times were put back",
      (path: string) => {
        writeFileSync(path, "54321");
        utimesSync(path, 1, 1);
      },
    ],
  ] as const) {
    it(`is not taken when it ${what} while it was read`, () => {
      const { path, file } = looked();
      const opened = openOutput(file);
      assert.ok(opened.ok);
      assert.equal(changedSince(file, opened.fd), undefined);
      change(path);
      assert.equal(changedSince(file, opened.fd)?.reason, "OUTPUT_CHANGED");
      closeSync(opened.fd);
    });
  }
});
