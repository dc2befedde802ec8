import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { api } from "@sheaf/proto";
import { connect, fakeCluster, type SheafClient } from "./index.ts";

let dir: string;
const clients: SheafClient[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sheaf-client-"));
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  rmSync(dir, { recursive: true, force: true });
});

function open(address: string): SheafClient {
  const client = connect(address);
  clients.push(client);
  return client;
}

/** A server that answers GetFiles with these messages. */
function answering(...messages: MessageInitShape<typeof api.GetFilesResponseSchema>["message"][]) {
  return fakeCluster({
    file: {
      getFiles: async function* () {
        for (const message of messages) yield message === undefined ? {} : { message };
      },
    },
  });
}

const small = (path: string) => ({ case: "batch" as const, value: { files: [{ path, content: Buffer.from("x") }] } });

describe("getFolder", () => {
  it("gets what was put, byte by byte, with its executable bits", async () => {
    await using cluster = await fakeCluster();
    const client = open(cluster.address);
    await client.rpc.repo.createRepo({ name: "r" });
    const from = join(dir, "from");
    mkdirSync(join(from, "a/b"), { recursive: true });
    writeFileSync(join(from, "a/b/big"), Buffer.alloc(2_500_000, "abc"));
    writeFileSync(join(from, "a/small"), "small");
    writeFileSync(join(from, "run"), "#!", { mode: 0o755 });
    await client.putFolder("r", "master", from);

    const got = await client.getFolder({ repo: "r" }, join(dir, "to"));
    assert.deepEqual(got, { files: 3, bytes: 2_500_007 });
    for (const path of ["a/b/big", "a/small", "run"]) {
      assert.ok(readFileSync(join(dir, "to", path)).equals(readFileSync(join(from, path))));
    }
    assert.equal(statSync(join(dir, "to/run")).mode & 0o111, 0o111);
    assert.equal(statSync(join(dir, "to/a/small")).mode & 0o111, 0);

    await client.getFolder({ repo: "r", ref: "master" }, join(dir, "part"), { path: "/a" });
    assert.deepEqual(readdirSync(join(dir, "part")).sort(), ["b", "small"]);
    await client.getFile({ repo: "r" }, "/a/b/big", join(dir, "renamed"));
    assert.equal(statSync(join(dir, "renamed")).size, 2_500_000);
    let bytes = 0;
    for await (const piece of client.readFile({ repo: "r" }, "/a/b/big")) bytes += piece.length;
    assert.equal(bytes, 2_500_000);
  });

  for (const path of ["/../evil", "/a/../../evil", "evil", "/", "//evil", "/a/./b", "/a\0b"]) {
    it(`never writes outside the folder: ${JSON.stringify(path)}`, async () => {
      await using cluster = await answering(small(path));
      const to = join(dir, "deep", "to");
      await open(cluster.address)
        .getFolder({ repo: "r" }, to)
        .catch(({ code }: { code: string }) => assert.equal(code, "DATA_LOSS"));
      assert.equal(existsSync(join(dir, "evil")) || existsSync(join(dir, "deep/evil")), false);
    });
  }

  it("never writes through a link that lies in the folder", async () => {
    mkdirSync(join(dir, "to"));
    mkdirSync(join(dir, "outside"));
    symlinkSync(join(dir, "outside"), join(dir, "to/sub"));
    writeFileSync(join(dir, "outside/precious"), "precious");
    symlinkSync(join(dir, "outside/precious"), join(dir, "to/file"));
    for (const path of ["/sub/evil", "/file"]) {
      await using cluster = await answering(small(path));
      await assert.rejects(open(cluster.address).getFolder({ repo: "r" }, join(dir, "to")), {
        code: "FAILED_PRECONDITION",
        message: /is a link/,
      });
    }
    assert.deepEqual(readdirSync(join(dir, "outside")), ["precious"]);
    assert.equal(readFileSync(join(dir, "outside/precious"), "utf8"), "precious");
  });

  it("keeps no big file whose bytes are not what was stored, or that breaks off", async () => {
    const begin = { case: "begin" as const, value: { path: "/big" } };
    const chunk = { case: "chunk" as const, value: Buffer.from("wrong") };
    const end = { case: "end" as const, value: { sha256: new Uint8Array(32) } };
    const cases = [
      [[begin, chunk, end], "CHECKSUM_MISMATCH"],
      [[begin, chunk], "FILE_BROKEN_OFF"],
    ] as const;
    for (const [messages, reason] of cases) {
      await using cluster = await answering(...messages);
      const client = open(cluster.address);
      await assert.rejects(client.getFolder({ repo: "r" }, dir), { reason, code: "DATA_LOSS" });
      assert.deepEqual(readdirSync(dir), []);
      await assert.rejects(
        async () => {
          for await (const _ of client.readFile({ repo: "r" }, "/big"));
        },
        { reason },
      );
    }
  });

  it("refuses a pipe, which takes no more than it has room for, and leaves it where it is", async () => {
    const pipe = join(dir, "pipe");
    execFileSync("mkfifo", [pipe]);
    const refused = { reason: "FILE_NOT_WRITABLE", message: /pipe": it is a pipe or a socket/ };
    await using cluster = await answering(small("/pipe"));
    const client = open(cluster.address);
    await assert.rejects(client.getFile({ repo: "r" }, "/pipe", pipe), refused);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    await assert.rejects(client.getFile({ repo: "r" }, "/pipe", pipe), refused);
    closeSync(reader);
    assert.ok(statSync(pipe).isFIFO());
  });
});

// Both as a program of its own: a device is made in the test's folder, and a limit is for a whole process.
const PROGRAM = `
  import { FolderWriter } from ${JSON.stringify(join(import.meta.dirname, "folder-writer.ts"))};
  const [dir, name] = process.argv.slice(-2);
  process.on("SIGXFSZ", () => {}); // a write beyond the limit answers EFBIG
  const writer = new FolderWriter(dir, () => name);
  const content = Buffer.alloc(100_000);
  const file = { path: "/x", executable: false };
  for (const write of [
    () => writer.write({ ...file, content }),
    () => {
      const big = writer.begin(file);
      try { big.write(content); } catch (error) { big.discard(); throw error; }
    },
  ]) try { write(); console.log("written"); } catch ({ reason, message }) { console.log(reason, message); }
`;

describe("a file that cannot be written to its end", () => {
  const written = (name: string, before = "") => {
    const run = `${before} exec "$0" --input-type=module -e "$1" -- "$2" "$3"`;
    return execFileSync("sh", ["-c", run, process.execPath, PROGRAM, dir, name], { encoding: "utf8" });
  };

  it("is removed, whether it came whole or in pieces, and the message says why", () => {
    const told = written("half", "ulimit -f 50;");
    assert.match(told, /^(FILE_NOT_WRITABLE cannot write ".*half": EFBIG.*\n){2}$/);
    assert.deepEqual(readdirSync(dir), []);
  });

  it("stays when it is a device, which nobody can bring back", (t) => {
    try {
      execFileSync("mknod", [join(dir, "full"), "c", "1", "7"], { stdio: "ignore" });
      writeFileSync(join(dir, "full"), "");
    } catch {
      return t.skip("this user may not make devices here");
    }
    assert.match(written("full"), /^(FILE_NOT_WRITABLE cannot write ".*full": the disk is full\n){2}$/);
    assert.ok(statSync(join(dir, "full")).isCharacterDevice());
  });
});
