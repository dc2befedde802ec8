import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type CollectorLimits, collect, openOutput } from "./collector.ts";

const root = mkdtempSync(join(tmpdir(), "sheaf-collector-test-"));
after(() => rmSync(root, { recursive: true }));
let count = 0;

/** A datum's folder, as a command sees it. */
function datum() {
  const pfs = join(root, String(count++), "pfs");
  const out = join(pfs, "out");
  mkdirSync(join(pfs, "in"), { recursive: true });
  mkdirSync(out);
  writeFileSync(join(pfs, "in", "input"), "in");
  return { out, pfs };
}

/** What is found: path and content, or the reason of the failure. */
function found({ out, pfs }: { out: string; pfs: string }, limits?: CollectorLimits): Record<string, string> | string {
  const collected = limits === undefined ? collect(out, pfs) : collect(out, pfs, limits);
  if (!collected.ok) return collected.failure.reason;
  const files: Record<string, string> = {};
  for (const file of collected.files) {
    const opened = openOutput(file);
    if (!opened.ok) return opened.failure.reason;
    const bytes = Buffer.alloc(opened.size);
    readSync(opened.fd, bytes);
    closeSync(opened.fd);
    files[file.path] = bytes.toString();
  }
  return files;
}

describe("collect()", () => {
  it("finds files at any depth, and drops empty folders", () => {
    const { out, pfs } = datum();
    mkdirSync(join(out, "a/b"), { recursive: true });
    mkdirSync(join(out, "empty/too"), { recursive: true });
    writeFileSync(join(out, "a/b/c"), "1");
    writeFileSync(join(out, "d"), "");
    assert.deepEqual(found({ out, pfs }), { "/d": "", "/a/b/c": "1" });
  });

  it("copies what a link inside the output, or to an input, points to", () => {
    const { out, pfs } = datum();
    mkdirSync(join(out, "d"));
    writeFileSync(join(out, "d/f"), "1");
    symlinkSync("d/f", join(out, "file"));
    symlinkSync("d", join(out, "folder"));
    symlinkSync(join(pfs, "in/input"), join(out, "input"));
    symlinkSync("../in", join(out, "inputs"));
    symlinkSync("file", join(out, "twice"));
    assert.deepEqual(found({ out, pfs }), {
      "/file": "1",
      "/input": "in",
      "/twice": "1",
      "/inputs/input": "in",
      "/folder/f": "1",
      "/d/f": "1",
    });
  });

  for (const [what, link] of [
    ["out of the datum", () => "/etc/passwd"],
    ["to a folder outside", () => "/etc"],
    ["to nothing", () => "nowhere"],
    ["to itself", () => "link"],
    ["to a folder above it", () => "."],
    ["to the neighbour of out/", () => "../out-of-it"],
    ["to the datum's own folder", () => "../.."],
  ] as const) {
    it(`fails for a link ${what}`, () => {
      const { out, pfs } = datum();
      mkdirSync(join(pfs, "..", "pfs-2"));
      symlinkSync(link(), join(out, "link"));
      assert.equal(found({ out, pfs }), "SYMLINK_ESCAPE");
    });
  }

  it("fails for what is no file", async () => {
    const fifo = datum();
    execFileSync("mkfifo", [join(fifo.out, "p")]);
    assert.equal(found(fifo), "SPECIAL_FILE");
    const socket = datum();
    const server = createServer().listen(join(socket.out, "s"));
    await new Promise((resolve) => server.on("listening", resolve));
    assert.equal(found(socket), "SPECIAL_FILE");
    server.close();
    const linked = datum();
    execFileSync("mkfifo", [join(linked.pfs, "in/p")]);
    symlinkSync("../in/p", join(linked.out, "link"));
    assert.equal(found(linked), "SPECIAL_FILE");
  });

  it("opens nothing but regular files, also when they are exchanged after the look", () => {
    const { out, pfs } = datum();
    writeFileSync(join(out, "f"), "1");
    const collected = collect(out, pfs);
    assert.ok(collected.ok);
    rmSync(join(out, "f"));
    symlinkSync("/etc/passwd", join(out, "f"));
    const [file] = collected.files;
    assert.ok(file);
    const opened = openOutput(file);
    assert.equal(opened.ok, false);
    rmSync(join(out, "f"));
    execFileSync("mkfifo", [join(out, "f")]);
    const fifo = openOutput(file);
    assert.ok(!fifo.ok && fifo.failure.reason === "SPECIAL_FILE");
  });

  it("keeps every name that is text, and refuses the others by name", () => {
    const { out, pfs } = datum();
    const names = ["-n", "a b", "%2F", "dot.", "ü", "x".repeat(255), "🙂", "'\""];
    for (const name of names) writeFileSync(join(out, name), "");
    assert.deepEqual(Object.keys(found({ out, pfs })).sort(), names.map((name) => `/${name}`).sort());
    for (const [name, shown] of [
      [Buffer.from("a\xff", "latin1"), "/a\\\\xff"],
      [Buffer.from("a\nb"), "/a\\nb"],
      [Buffer.from("a\x1b[2J"), "/a\\u001b[2J"],
      [Buffer.from("a\\b"), "/a\\\\b"],
    ] as const) {
      const bad = datum();
      writeFileSync(Buffer.concat([Buffer.from(`${bad.out}/`), name]), "");
      const collected = collect(bad.out, bad.pfs);
      assert.ok(!collected.ok && collected.failure.reason === "BAD_NAME");
      assert.ok(collected.failure.message.includes(shown), collected.failure.message);
    }
  });

  it("keeps hard links apart, and tells the executable bit", () => {
    const { out, pfs } = datum();
    writeFileSync(join(out, "a"), "1");
    linkSync(join(out, "a"), join(out, "b"));
    chmodSync(join(out, "a"), 0o4755);
    const collected = collect(out, pfs);
    assert.ok(collected.ok);
    assert.equal(collected.files.length, 2);
    for (const file of collected.files) {
      const opened = openOutput(file);
      assert.ok(opened.ok && opened.executable);
      closeSync(opened.fd);
    }
  });

  it("has limits of depth and number, and needs no stack", () => {
    const deep = datum();
    mkdirSync(join(deep.out, ..."x".repeat(150).split("")), { recursive: true });
    assert.equal(found(deep), "OUTPUT_TOO_DEEP");
    const wide = datum();
    for (let i = 0; i < 11; i++) writeFileSync(join(wide.out, String(i)), "");
    assert.equal(found(wide, { depth: 100, entries: 10 }), "TOO_MANY_OUTPUTS");
  });
});
