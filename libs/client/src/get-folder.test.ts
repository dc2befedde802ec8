import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
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
});
