// The driver for S3 against a real server: the suite that every driver passes, and what is S3's own.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, it } from "node:test";
import type { SheafError } from "@sheaf/runtime";
import { openStore, type Store, storeSuite } from "@sheaf/storage";
import { HttpFaultProxy } from "../kit/http-fault-proxy.ts";
import { describeWithS3, S3Server } from "../kit/s3-server.ts";

const MIB = 1024 * 1024;

await describeWithS3("a store in S3", (program) => {
  let server: S3Server;
  let proxy: HttpFaultProxy;
  before(async () => {
    server = await S3Server.start(program);
    proxy = await HttpFaultProxy.before(server.port);
    Object.assign(process.env, server.env);
  });
  after(async () => {
    await proxy.close();
    await server.stop();
  });

  storeSuite("S3", () => openStore(server.url()));

  /** A store behind the proxy, which counts its requests. */
  const watched = async (): Promise<Store> => {
    proxy.weather = () => undefined;
    const store = await openStore(server.url(proxy.endpoint));
    proxy.requests = [];
    proxy.faults = 0;
    return store;
  };
  const counted = (method: string) => proxy.requests.filter((line) => line.startsWith(method)).length;

  it("a presigned address gives this range of this object, and nothing else", async () => {
    await using store = closing(await openStore(server.url()));
    const bytes = noise(100_000);
    await store.put("packs/signed", bytes);
    const { url, headers } =
      (await store.presign?.("packs/signed", { offset: 1_000, length: 5_000 }, 60)) ?? assert.fail();
    const got = await fetch(url, { headers });
    assert.equal(got.status, 206);
    assert.equal(hashOf([new Uint8Array(await got.arrayBuffer())]), hashOf([bytes.subarray(1_000, 6_000)]));
    for (const [what, other, sent] of [
      ["another range", url, { range: "bytes=0-99999" }],
      ["the whole", url, {}],
      ["another object", url.replace("signed", "signee"), headers],
      ["a longer time", url.replace("Expires=60", "Expires=6000"), headers],
    ] as const) {
      const refused = await fetch(other, { headers: sent });
      assert.ok(refused.status >= 400, `${what}: ${refused.status}`);
      await refused.body?.cancel();
    }
  });

  for (const size of [16 * MIB, 16 * MIB + 1, 50 * MIB + 7]) {
    it(`an object of ${size} bytes is what was put, in one piece, in pieces, and as a stream`, async () => {
      await using store = closing(await openStore(server.url()));
      const bytes = noise(size);
      const pieces = cut(bytes, 1_000_003);
      for (const [key, source] of [
        ["packs/one", bytes],
        ["packs/pieces", pieces],
        ["packs/stream", reused(pieces)],
      ] as const) {
        assert.equal(await store.put(key, source), "created");
        assert.equal(await store.put(key, source === bytes ? bytes : reused(pieces)), "exists");
        assert.deepEqual(await store.head(key), { size });
        assert.equal(hashOf([await store.get(key)]), hashOf([bytes]));
        const streamed: Uint8Array[] = [];
        for await (const piece of store.stream(key)) {
          assert.ok(piece.length <= MIB);
          streamed.push(Buffer.from(piece)); // its memory is used again
        }
        assert.equal(hashOf(streamed), hashOf([bytes]));
        const part = await store.get(key, { offset: 3 * MIB + 1, length: 9 * MIB });
        assert.equal(hashOf([part]), hashOf([bytes.subarray(3 * MIB + 1, 12 * MIB + 1)]));
      }
      assert.equal((await listed(store, "")).length, 3);
    });
  }

  it("of several large puts of one key at a time one creates it, and no part is left", async () => {
    const url = server.url();
    await using store = closing(await openStore(url));
    const bytes = noise(20 * MIB);
    const results = await Promise.all([1, 2, 3].map(() => store.put("packs/a", cut(bytes, MIB))));
    assert.deepEqual(results.sort(), ["created", "exists", "exists"]);
    assert.equal(hashOf([await store.get("packs/a")]), hashOf([bytes]));
    assert.equal(server.filesOf(bucketOf(url)).length, 1);
  });

  it("a large object that is there is not sent again", async () => {
    await using store = closing(await watched());
    const bytes = noise(17 * MIB);
    await store.put("packs/a", bytes);
    assert.equal(counted("PUT"), 2);
    assert.equal(await store.put("packs/a", bytes), "exists");
    assert.equal(counted("PUT"), 2);
  });

  it("a source that fails after some parts leaves none of them", async () => {
    const url = server.url();
    await using store = closing(await openStore(url));
    async function* failing(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 40; i++) yield Buffer.alloc(MIB, i);
      throw new Error("the source failed");
    }
    await assert.rejects(() => store.put("packs/a", failing()), { message: "the source failed" });
    assert.deepEqual(server.filesOf(bucketOf(url)), []);
    assert.equal(await store.head("packs/a"), null);
  });

  it("small reads that lie side by side and are asked for together are one request", async () => {
    await using store = closing(await watched());
    const bytes = noise(2 * MIB);
    await store.put("packs/a", bytes);
    proxy.requests = [];
    const ranges = Array.from({ length: 200 }, (_, i) => ({ offset: ((i * 37) % 200) * 5_000, length: 4_000 }));
    const got = await Promise.all(ranges.map((range) => store.get("packs/a", range)));
    for (const [i, { offset, length }] of ranges.entries())
      assert.ok(Buffer.from(got[i] ?? []).equals(bytes.subarray(offset, offset + length)));
    assert.equal(counted("GET"), 1);
    // Overlapping ones are each reader's own; what lies far away is a request of its own.
    const [a, b, c] = await Promise.all([0, 2, 1_900_000].map((offset) => store.get("packs/a", { offset, length: 4 })));
    a?.fill(0);
    assert.ok(Buffer.from(b ?? []).equals(bytes.subarray(2, 6)));
    assert.ok(Buffer.from(c ?? []).equals(bytes.subarray(1_900_000, 1_900_004)));
    assert.equal(counted("GET"), 3);
    // Past the end, together with others.
    const last = { offset: 2 * MIB - 3, length: 10 };
    const [end, past] = await Promise.all(
      [last, { offset: 2 * MIB + 5, length: 10 }].map((r) => store.get("packs/a", r)),
    );
    assert.deepEqual([end?.length, past?.length], [3, 0]);
  });

  it("a list of more than one page is whole", async () => {
    await using store = closing(await watched());
    const keys = Array.from({ length: 1_203 }, (_, i) => `packs/${String(i).padStart(5, "0")}`);
    for (let i = 0; i < keys.length; i += 100)
      await Promise.all(keys.slice(i, i + 100).map((key) => store.put(key, Buffer.from(key))));
    proxy.requests = [];
    assert.deepEqual(await listed(store, "packs/"), keys);
    assert.equal(counted("GET"), 2);
  });

  it("two stores in one bucket do not see each other", async () => {
    const endpoint = `?endpoint=${server.endpoint}`;
    const bucket = server.bucket();
    await using root = closing(await openStore(`s3://${bucket}${endpoint}`));
    await using one = closing(await openStore(`s3://${bucket}/a${endpoint}`));
    await using two = closing(await openStore(`s3://${bucket}/ab${endpoint}`));
    await one.put("packs/x", Buffer.from("one"));
    assert.equal(await two.head("packs/x"), null);
    assert.deepEqual(await listed(two, ""), []);
    assert.deepEqual(await listed(root, ""), ["a/packs/x"]);
  });

  it("what is asked of a closed store fails", async () => {
    const store = await openStore(server.url());
    await store.close();
    for (const call of [() => store.get("packs/a"), () => store.put("packs/a", Buffer.from("x"))])
      await assert.rejects(call, (error: SheafError) => error.reason === "STORE_CLOSED");
  });
});

function bucketOf(url: string): string {
  return new URL(url).host;
}

function closing(store: Store): Store & AsyncDisposable {
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

function hashOf(pieces: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

/** Bytes that do not repeat within a part. */
function noise(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = size | 1;
  for (let i = 0; i + 4 <= size; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, i);
  }
  return bytes.fill(7, size - (size % 4));
}

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/** The pieces as a stream that uses one buffer for all of them. */
async function* reused(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(Math.max(...pieces.map(({ length }) => length)));
  for (const piece of pieces) {
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
    buffer.fill(0);
  }
}

async function listed(store: Store, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}
