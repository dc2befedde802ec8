import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { servePublic } from "@sheaf/rpc";
import { testLogger } from "@sheaf/runtime";
import fc from "fast-check";
import { message, testEtcd } from "../master.test-kit.ts";
import { readRange } from "./byte-range.ts";
import { FileUrls } from "./file-urls.ts";
import { readSignedPath, signedPath } from "./signed-paths.ts";

const etcd = testEtcd();

describe("signed paths", () => {
  const key = Buffer.alloc(32, 7);
  const file = { repo: "a", commit: "01m82zj4rd8yppba72mwg90p1w", path: "/ä b/c?d=1&e#f%2F", expires: 1_000 };
  const read = (text: string, now = 999, with_: Uint8Array = key) => {
    const url = new URL(text, "http://x");
    return readSignedPath(url.pathname, url.searchParams, with_, now);
  };

  it("say what they were made for, until they expire", () => {
    assert.deepEqual(read(signedPath(file, key)), { kind: "good", file });
    assert.equal(read(signedPath(file, key), 1_000).kind, "expired");
  });

  it("98 are good for nothing else", () => {
    const text = signedPath(file, key);
    const forged = [
      text.replace("/files/a/", "/files/b/"),
      text.replace("expires=1000", "expires=9000"),
      text.replace("/c", "/d"),
      text.replace("0p1w", "0p1x"),
      text.replace(/signature=.*/, ""),
      text.replace("%20", "%"),
      "/files/",
    ];
    for (const each of forged) assert.equal(read(each).kind, "forged", each);
    assert.equal(read(text, 999, Buffer.alloc(32, 8)).kind, "forged");
  });
});

describe("readRange", () => {
  it("gives what HTTP says", () => {
    const part = (from: number, to: number) => ({ kind: "part", from, to });
    for (const [header, range] of [
      [undefined, { kind: "whole" }],
      ["bytes=0-0", part(0, 1)],
      ["bytes=2-4", part(2, 5)],
      ["bytes=2-", part(2, 10)],
      ["bytes=-3", part(7, 10)],
      ["bytes=-99", part(0, 10)],
      ["bytes=5-99", part(5, 10)],
      ["Bytes=2-4", part(2, 5)], // the name of the unit may be written in any way
      ["bytes=10-", { kind: "outside" }],
      ["bytes=-0", { kind: "outside" }],
      ["bytes=4-2", { kind: "whole" }],
      ["bytes=0-1,3-4", { kind: "whole" }],
      ["lines=0-1", { kind: "whole" }],
      ["bytes=-", { kind: "whole" }],
    ] as const) {
      assert.deepEqual(readRange(header, 10), range, header);
    }
    assert.deepEqual(readRange("bytes=0-", 0), { kind: "outside" });
  });
});

describe("GetFileUrl", () => {
  it("gives an address under which any client gets the file, whole and in parts, at any master", async () => {
    await using cluster = await etcd.cluster();
    const [master, other] = [await cluster.master(), await cluster.master()];
    await master.createRepo("a");
    const text = Array.from({ length: 150_000 }, (_, i) => `${i}\n`).join("");
    await master.put("a", { "/ä/big file": text, "/empty": "" });
    const urls = new FileUrls({ world: other.world, apiUrl: () => "" });
    const server = servePublic({ host: "127.0.0.1", port: 0, services: [], routes: [urls.route()], log: testLogger() });
    await server.start();
    try {
      const ask = async (fields: object) =>
        master.files.getFileUrl(message(api.GetFileUrlRequestSchema, { commit: { repo: "a" }, ...fields }));
      const here = (url: string) => url.replace("127.0.0.1:1/", `127.0.0.1:${server.address.port}/`);
      const { url, file, pieces } = await ask({ path: "/ä/big file" });
      assert.deepEqual([file.bytes, pieces], [BigInt(text.length), []]);
      const whole = await fetch(here(url));
      assert.deepEqual([whole.status, whole.headers.get("etag")], [200, `"${file.hash}"`]);
      assert.equal(await whole.text(), text);
      const part = await fetch(here(url), { headers: { range: "bytes=100000-100099" } });
      assert.deepEqual(
        [part.status, part.headers.get("content-range"), await part.text()],
        [206, `bytes 100000-100099/${text.length}`, text.slice(100_000, 100_100)],
      );
      const head = await fetch(here(url), { method: "HEAD" });
      assert.deepEqual([head.headers.get("content-length"), await head.text()], [`${text.length}`, ""]);
      const outside = await fetch(here(url), { headers: { range: "bytes=99999999-" } });
      assert.equal(outside.status, 416);
      for (const held of [`"${file.hash}"`, `"other", W/"${file.hash}"`, "*"])
        assert.equal((await fetch(here(url), { headers: { "if-none-match": held } })).status, 304, held);
      assert.equal((await fetch(here(url), { headers: { "if-none-match": '"other"' } })).status, 200);
      for (const [wanted, status] of [
        [`"other", "${file.hash}"`, 206],
        ["*", 206],
        ['"other"', 412],
        [`W/"${file.hash}"`, 412], // bytes are to be the same, and a weak one does not say so
      ] as const) {
        const answer = await fetch(here(url), { headers: { "if-match": wanted, range: "bytes=0-99" } });
        assert.deepEqual([answer.status, (await answer.text()).length], [status, status === 206 ? 100 : 0], wanted);
      }
      const posted = await fetch(here(url), { method: "POST" });
      assert.deepEqual(
        [posted.status, await posted.text()],
        [405, "POST is no way to ask for this: use GET or HEAD\n"],
      );
      assert.equal((await fetch(here(url), { method: "PUT" })).status, 405);
      const empty = await fetch(here((await ask({ path: "/empty" })).url));
      assert.deepEqual([empty.status, await empty.text()], [200, ""]);

      await fc.assert(
        fc.asyncProperty(fc.nat(text.length - 1), fc.integer({ min: 1, max: 5_000 }), async (from, length) => {
          const answer = await fetch(here(url), { headers: { range: `bytes=${from}-${from + length - 1}` } });
          assert.equal(await answer.text(), text.slice(from, from + length));
        }),
        { numRuns: 20 },
      );

      const forged = await fetch(here(url).replace("expires=", "expires=9"));
      assert.equal(forged.status, 403);
      assert.match(await forged.text(), /"permission_denied".*GetFileUrl/);
    } finally {
      await server.stop();
    }
  });

  it("refuses folders, what is not there, and times without measure", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    await master.createRepo("a");
    await master.put("a", { "/d/f": "1" });
    const ask = (fields: object) =>
      master.files.getFileUrl(message(api.GetFileUrlRequestSchema, { commit: { repo: "a" }, path: "/d/f", ...fields }));
    await assert.rejects(ask({ path: "/d" }), { code: "INVALID_ARGUMENT", reason: "PATH_INVALID" });
    await assert.rejects(ask({ path: "/e" }), { code: "NOT_FOUND", reason: "FILE_NOT_FOUND" });
    for (const seconds of [0n, -1n, 86_401n]) {
      await assert.rejects(ask({ expiresIn: { seconds } }), { code: "INVALID_ARGUMENT", reason: "EXPIRY_INVALID" });
    }
    await ask({ expiresIn: { seconds: 86_400n } });
  });
});
