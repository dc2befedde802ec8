// What a command gets from its slot, and what its slot tells of it.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { exited, openSlot, PATH } from "./slot.test-kit.ts";

const nodeArgs = (...args: string[]) => [
  process.execPath,
  "-e",
  "console.log(JSON.stringify(process.argv.slice(1)))",
  "--",
  ...args,
];

describe("Slot", () => {
  it("delivers argv untouched", async () => {
    using slot = await openSlot();
    const every = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1)).join("");
    const args = [
      "",
      " ",
      "a b",
      "it's",
      '"',
      "$HOME `id` \\ $(id)",
      "line\nbreak\n",
      "ünïcödé 🙂",
      "-n",
      "*",
      every,
      "x".repeat(100_000),
    ];
    const result = await slot.run({ argv: nodeArgs(...args) });
    assert.deepEqual(result.ended, exited(0));
    assert.deepEqual(JSON.parse(result.stdout), args);
  });

  it("gives exactly the environment that it is told", async () => {
    using slot = await openSlot();
    process.env.SHEAF_TOKEN = "secret";
    const script = "console.log(JSON.stringify(process.env))";
    const env = { A: "it's\n$x", "my-repo": "/x", OPTIND: "no number", UID: "7" };
    const result = await slot.run({ argv: [process.execPath, "-e", script], env });
    const { PWD, ...seen } = JSON.parse(result.stdout);
    assert.deepEqual(seen, { PATH, ...env });
    assert.equal(PWD, slot.data);
    const next = await slot.run({ argv: [process.execPath, "-e", script] });
    assert.deepEqual(JSON.parse(next.stdout), { PATH, PWD: slot.data });
  });

  it("feeds standard input and keeps the streams apart", async () => {
    using slot = await openSlot();
    const result = await slot.run({ argv: ["sh", "-c", "cat; echo err >&2"], stdin: "one\ntwo\n" });
    assert.deepEqual(result, { ended: exited(0), stdout: "one\ntwo\n", stderr: "err\n" });
    const empty = await slot.run({ argv: ["cat"] });
    assert.deepEqual(empty, { ended: exited(0), stdout: "", stderr: "" });
  });

  it("tells exit codes and signals", async () => {
    using slot = await openSlot();
    for (const code of [0, 1, 42, 127, 126, 255]) {
      assert.deepEqual((await slot.run({ argv: ["sh", "-c", `exit ${code}`] })).ended, exited(code));
    }
    assert.deepEqual((await slot.run({ argv: ["sh", "-c", "kill -SEGV $$"] })).ended, exited(139));
    assert.deepEqual((await slot.run({ argv: ["sh", "-c", "kill -KILL $$"] })).ended, exited(137));
  });

  it("tells a command that is missing from one that may not be run", async () => {
    using slot = await openSlot();
    const script = join(slot.data, "not-executable");
    writeFileSync(script, "#!/bin/sh\n", { mode: 0o644 });
    assert.deepEqual((await slot.run({ argv: ["no-such-command"] })).ended, {
      kind: "exited",
      status: 127,
      why: "missing",
    });
    assert.deepEqual((await slot.run({ argv: ["/no/such"] })).ended, { kind: "exited", status: 127, why: "missing" });
    assert.deepEqual((await slot.run({ argv: ["./not-executable"] })).ended, {
      kind: "exited",
      status: 126,
      why: "denied",
    });
    assert.deepEqual((await slot.run({ argv: ["not-executable"], env: { PATH: slot.data } })).ended, {
      kind: "exited",
      status: 127,
      why: "denied",
    });
  });

  it("runs a program and never the shell's own command of that name", async () => {
    using slot = await openSlot();
    assert.deepEqual((await slot.run({ argv: ["exit", "3"] })).ended, { kind: "exited", status: 127, why: "missing" });
    assert.equal((await slot.run({ argv: ["echo", "-e", "a\\tb"] })).stdout, "a\tb\n");
    assert.deepEqual((await slot.run({ argv: ["true"] })).ended, exited(0));
  });

  it("starts in the datum's folder, or in the working folder", async () => {
    using slot = await openSlot();
    mkdirSync(join(slot.data, "inner"));
    assert.equal((await slot.run({ argv: ["pwd"] })).stdout, `${slot.data}\n`);
    assert.equal((await slot.run({ argv: ["pwd"], workingDir: "inner" })).stdout, `${slot.data}/inner\n`);
    assert.equal((await slot.run({ argv: ["pwd"], workingDir: "/" })).stdout, "/\n");
    const gone = await slot.run({ argv: ["pwd"], workingDir: "/no/such" });
    assert.deepEqual(gone.ended, { kind: "exited", status: 127, why: "no-working-dir" });
  });

  it("shows each datum at /pfs, and leaves the machine's root folder alone", async (t) => {
    using slot = await openSlot();
    if (!slot.isolation.endsWith("with /pfs")) return t.skip("needs the right to mount");
    const before = readdirSync("/").sort();
    for (const name of ["a", "b"]) {
      const folder = join(slot.data, name);
      mkdirSync(join(folder, "pfs/out"), { recursive: true });
      writeFileSync(join(folder, "pfs/file"), name);
      const script = "cat /pfs/file; cat /pfs/file >/pfs/out/copy; pwd; realpath /pfs/file; cat /proc/self/comm";
      const { stdout } = await slot.run({ argv: ["sh", "-c", script], folder });
      assert.equal(stdout, `${name}${folder}\n${folder}/pfs/file\ncat\n`);
      assert.equal(readFileSync(join(folder, "pfs/out/copy"), "utf8"), name);
    }
    const seen = await slot.run({
      argv: ["sh", "-c", "ls -A /; mkdir /x; rm /pfs; mkdir /tmp/sheaf-x && rmdir /tmp/sheaf-x && echo fine"],
    });
    assert.deepEqual(seen.stdout.split("\n").slice(0, -2).sort(), [...new Set([...before, "pfs", ".sheaf"])].sort());
    assert.match(seen.stdout, /fine\n$/);
    assert.match(seen.stderr, /mkdir: .*Read-only file system\nrm: .*Read-only file system\n/);
    assert.deepEqual(readdirSync("/").sort(), before);
  });

  it("runs thousands of commands, each once, in order", async () => {
    using slot = await openSlot();
    const file = join(slot.data, "count");
    const runs = Array.from({ length: 1_500 }, (_, i) =>
      slot.run({ argv: ["sh", "-c", `echo ${i} >>${file}; echo ${i}`] }),
    );
    for (const [i, result] of (await Promise.all(runs)).entries()) {
      assert.deepEqual(result, { ended: exited(0), stdout: `${i}\n`, stderr: "" });
    }
    assert.equal(readFileSync(file, "utf8"), Array.from({ length: 1_500 }, (_, i) => `${i}\n`).join(""));
  });

  it("drains a flood of output", async () => {
    using slot = await openSlot();
    let bytes = 0;
    const result = await slot.run({ argv: ["sh", "-c", "head -c 50000000 /dev/zero | tr '\\0' x; echo done >&2"] });
    bytes = result.stdout.length;
    assert.equal(bytes, 50_000_000);
    assert.equal(result.stderr, "done\n");
  });
});
