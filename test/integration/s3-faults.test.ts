// The driver for S3 when the server, or what lies before it, is in trouble; and what is said of a store that cannot be used.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, it } from "node:test";
import type { SheafError } from "@sheaf/runtime";
import { openStore, type Store } from "@sheaf/storage";
import { type HttpFault, HttpFaultProxy } from "../kit/http-fault-proxy.ts";
import { describeWithS3, S3Server } from "../kit/s3-server.ts";
import { fastClock } from "../kit/test-clocks.ts";

const MIB = 1024 * 1024;
const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';
const PAGE = "<html><h1>Back soon</h1></html>";
const errorXml = (code: string) => `${XML}<Error><Code>${code}</Code><Message>In trouble.</Message></Error>`;

await describeWithS3("a store in S3 in trouble", (program) => {
  let server: S3Server;
  let proxy: HttpFaultProxy;
  let url: string;
  let store: Store;
  const environment = { ...process.env };

  before(async () => {
    server = await S3Server.start(program);
    proxy = await HttpFaultProxy.before(server.port);
    Object.assign(process.env, server.env);
    url = server.url(proxy.endpoint);
  });
  // Of its own for each test: it has a budget of retries.
  beforeEach(async () => {
    store = await openStore(url, { clock: fastClock(100) });
    proxy.requests = [];
  });
  afterEach(async () => {
    await store.close();
    proxy.weather = () => undefined;
    proxy.requests = [];
    proxy.faults = 0;
    process.env = { ...environment, ...server.env };
  });
  after(async () => {
    await proxy.close();
    await server.stop();
  });

  const small = Buffer.from("a small object");
  const large = Buffer.alloc(17 * MIB, "0123456789abcdef!");
  let made = 0;
  const key = () => `packs/${++made}`;

  const PASSING: Record<string, HttpFault> = {
    "500 with an error": { t: "answer", status: 500, body: errorXml("InternalError") },
    "503 with an error": { t: "answer", status: 503, body: errorXml("SlowDown") },
    "503 without a body": { t: "answer", status: 503 },
    "502 of a balancer": { t: "answer", status: 502, body: "<html><h1>Bad Gateway</h1>" },
    "404 with such a page": { t: "answer", status: 404, body: PAGE },
    "429": { t: "answer", status: 429 },
    "400 because the connection stood still": { t: "answer", status: 400, body: errorXml("RequestTimeout") },
    "a lost answer": { t: "lose the answer" },
    "an error after it was done": { t: "answer after", status: 500, body: errorXml("InternalError") },
  };
  for (const [name, fault] of Object.entries(PASSING)) {
    it(`${name}, three times: every operation holds`, async () => {
      const one = key();
      proxy.next(3, /^PUT /, fault);
      // When it was done and nobody could say so, it is there.
      const done = fault.t === "answer" ? "created" : "exists";
      assert.equal(await store.put(one, small), done);
      for (const reads of [() => store.get(one), () => store.get(one, { offset: 0, length: 99 })]) {
        proxy.next(3, /^GET /, fault);
        assert.deepEqual(Buffer.from(await reads()), small);
      }
      proxy.next(3, /^GET /, fault);
      assert.deepEqual(await store.head(one), { size: small.length });
      proxy.next(3, /list-type/, fault);
      for await (const object of store.list(one)) assert.equal(object.key, one);
      proxy.next(3, /^DELETE /, fault);
      assert.equal(await store.delete(one), true);
      assert.equal(await store.head(one), null);
      // Of a put whose connection was cut the object is looked for, and is found after the first.
      assert.equal(proxy.faults, fault.t === "lose the answer" ? 16 : 18);
    });

    if (fault.t === "answer" && fault.status !== 503) continue;
    it(`${name}, in each step of a large put`, async () => {
      for (const step of [/^POST .*uploads=?$/, /^PUT .*partNumber=1/, /^POST .*uploadId=(?!.*partNumber)/]) {
        const one = key();
        proxy.next(2, step, fault);
        await store.put(one, large);
        assert.equal(proxy.faults, 2, String(step));
        proxy.faults = 0;
        assert.ok(large.equals(await store.get(one)));
        await store.delete(one);
      }
    });
  }

  it("a success that carries an error is none", async () => {
    const one = key();
    proxy.next(2, /^POST .*uploadId=/, { t: "answer", status: 200, body: errorXml("InternalError") });
    assert.equal(await store.put(one, large), "created");
    assert.equal(proxy.faults, 2);
    assert.ok(large.equals(await store.get(one)));
  });

  it("a page that is there for a while, before a server that is away, has stored and listed nothing", async () => {
    const page = { t: "answer", status: 200, body: PAGE } as const;
    for (const [step, bytes] of [
      [/^PUT \S*packs\/\d+\?x-id=PutObject/, small],
      [/^POST \S*\?uploads/, large],
      [/^PUT \S*partNumber/, large],
      [/^POST \S*uploadId=/, large],
    ] as const) {
      const one = key();
      proxy.next(2, step, page);
      assert.equal(await store.put(one, bytes), "created");
      assert.equal(proxy.faults, 2, String(step));
      proxy.faults = 0;
      assert.ok(bytes.equals(await store.get(one)));
    }
    proxy.next(2, /^GET \S*list-type/, page);
    let listed = 0;
    for await (const _ of store.list("packs/")) listed++;
    assert.ok(listed >= 4);
  });

  for (const t of ["truncate", "stall"] as const) {
    it(`a body that ends early (${t}) is read on from there, in all kinds of reads`, async () => {
      const one = key();
      await store.put(one, large);
      await store.close();
      store = await openStore(url, { clock: fastClock(100), idleMs: 1_000 });
      const part = { offset: 5, length: 7 * MIB };
      const reads: Record<string, () => Promise<Uint8Array>> = {
        get: () => store.get(one),
        range: () => store.get(one, part),
        stream: async () => Buffer.concat(await all(store.stream(one))),
      };
      for (const [name, read] of Object.entries(reads)) {
        proxy.requests = [];
        proxy.next(3, /^GET /, { t, after: MIB });
        const expected = name === "range" ? large.subarray(part.offset, part.offset + part.length) : large;
        assert.ok(expected.equals(await read()), name);
        // Only what is missing is asked for again. (On a machine that stands still, more requests may be given up.)
        if (t === "truncate") assert.equal(proxy.requests.length, (name === "range" ? 1 : 3) + 3);
      }
      assert.equal(proxy.faults, 9);
    });
  }

  it("a body that never comes whole is no success", async () => {
    const one = key();
    await store.put(one, small);
    proxy.next(100, /^GET /, { t: "truncate", after: 1 });
    // Each try brings a byte.
    await assert.rejects(() => store.get(one), { reason: "STORE_UNAVAILABLE" });
    proxy.next(100, /^GET /, { t: "truncate", after: 0 });
    const seen: Uint8Array[] = [];
    await assert.rejects(
      async () => {
        for await (const piece of store.stream(one)) seen.push(Buffer.from(piece));
      },
      { reason: "STORE_UNAVAILABLE" },
    );
    assert.deepEqual(seen, []);
  });

  it("a put that fails for good leaves no part", async () => {
    const one = key();
    const before = server.filesOf(new URL(url).host).length;
    proxy.next(100, /^PUT .*partNumber=2/, { t: "answer", status: 503, body: errorXml("SlowDown") });
    await assert.rejects(() => store.put(one, large), { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" });
    assert.equal(server.filesOf(new URL(url).host).length, before);
    // Removed behind its back, as by the bucket's own rule.
    proxy.next(1, /^POST .*uploadId=/, { t: "answer", status: 404, body: errorXml("NoSuchUpload") });
    await assert.rejects(() => store.put(one, large), { reason: "STORE_UNAVAILABLE" });
    assert.equal(await store.head(one), null);
    assert.equal(server.filesOf(new URL(url).host).length, before);
  });

  it("two writers at the same time are told by the server: one comes again", async () => {
    const conflict: HttpFault = { t: "answer", status: 409, body: errorXml("ConditionalRequestConflict") };
    for (const [bytes, step] of [
      [small, /^PUT /],
      [large, /^POST .*uploadId=/],
    ] as const) {
      const one = key();
      proxy.next(2, step, conflict);
      assert.equal(await store.put(one, bytes), "created");
      proxy.next(2, step, { ...conflict, t: "answer after" });
      const two = key();
      // Servers may say of a completion that is sent again that it succeeded.
      const said = await store.put(two, bytes);
      if (bytes === small) assert.equal(said, "exists");
      assert.ok(bytes.equals(await store.get(two)));
    }
    assert.equal(proxy.faults, 8);
  });

  it("a server that has the object, and ends the connection before it has taken it again: it exists", async () => {
    const [one, two] = [key(), key()];
    const bytes = Buffer.alloc(16 * MIB, "x");
    await store.put(one, bytes);
    proxy.next(100, /^PUT /, { t: "cut off" });
    assert.equal(await store.put(one, bytes), "exists");
    assert.equal(proxy.faults, 1);
    // One that it has not is no success.
    await assert.rejects(() => store.put(two, bytes), { reason: "STORE_UNAVAILABLE" });
    assert.equal(await store.head(two), null);
  });

  it("retries have a budget: when all fails, callers are told sooner", async () => {
    const own = await openStore(url);
    proxy.requests = [];
    proxy.next(10_000, /./, { t: "answer", status: 503 });
    const ended = await Promise.allSettled(Array.from({ length: 200 }, (_, i) => own.get(`packs/none-${i}`)));
    assert.ok(ended.every(({ status }) => status === "rejected"));
    assert.equal(proxy.requests.length, 200 + 100);
    await own.close();
  });

  it("a server that takes connections and never answers is given up", async () => {
    await store.close();
    store = await openStore(url, { clock: fastClock(100), idleMs: 200 });
    proxy.next(10_000, /./, { t: "stall", after: 0 });
    await assert.rejects(() => store.head("packs/none"), { reason: "STORE_UNAVAILABLE" });
  });

  // ---- stores that cannot be used

  const refused = async (address: string, expected: Partial<SheafError>, words: readonly (string | RegExp)[]) => {
    const begun = performance.now();
    await assert.rejects(
      () => openStore(address),
      (error: SheafError) => {
        assert.deepEqual({ code: error.code, reason: error.reason }, expected, error.message);
        for (const word of words) assert.ok(new RegExp(word).test(error.message), `${word}: ${error.message}`);
        assert.ok(!error.message.includes("\n") && !error.message.includes("wrong-secret"), error.message);
        return true;
      },
    );
    assert.ok(performance.now() - begun < 20_000);
  };

  it("a wrong secret, an unknown key: which key, and where it came from", async () => {
    const denied = { code: "PERMISSION_DENIED", reason: "STORE_ACCESS_DENIED" } as const;
    process.env["AWS_SECRET_ACCESS_KEY"] = "wrong-secret";
    await refused(url, denied, ["sheaf-test-key", /environment \(AWS_ACCESS_KEY_ID\)/, proxy.endpoint]);
    process.env["AWS_ACCESS_KEY_ID"] = "nobody";
    await refused(url, denied, ["nobody"]);
    const home = join(server.folder, "home");
    mkdirSync(home);
    writeFileSync(
      join(home, "credentials"),
      "[default]\naws_access_key_id = of-a-file\naws_secret_access_key = wrong-secret\n",
    );
    delete process.env["AWS_ACCESS_KEY_ID"];
    delete process.env["AWS_SECRET_ACCESS_KEY"];
    process.env["AWS_SHARED_CREDENTIALS_FILE"] = join(home, "credentials");
    await refused(url, denied, ["of-a-file", "the profile in the shared credentials file"]);
  });

  it("no credentials at all", async () => {
    delete process.env["AWS_ACCESS_KEY_ID"];
    delete process.env["AWS_SECRET_ACCESS_KEY"];
    process.env["AWS_SHARED_CREDENTIALS_FILE"] = join(server.folder, "no-such-file");
    process.env["AWS_CONFIG_FILE"] = join(server.folder, "no-such-file");
    await refused(url, { code: "UNAUTHENTICATED", reason: "STORE_ACCESS_DENIED" }, ["no credentials", "AWS_PROFILE"]);
  });

  it("no such bucket; nobody at the endpoint; another region", async () => {
    const missing = `s3://no-such-bucket/p?endpoint=${server.endpoint}`;
    await refused(missing, { code: "NOT_FOUND", reason: "STORE_NOT_FOUND" }, ["no-such-bucket", server.endpoint]);
    const nobody = "s3://bucket-1/p?endpoint=http://127.0.0.1:1";
    await refused(nobody, { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" }, [
      "no connection to",
      "http://127.0.0.1:1",
      "ECONNREFUSED",
    ]);
    await refused(`${url}&region=eu-west-7`, { code: "INVALID_ARGUMENT", reason: "STORE_URL" }, ["region"]);
    const nothing = "s3://bucket-1/p";
    await refused(nothing, { code: "INVALID_ARGUMENT", reason: "STORE_URL" }, ["region", "AWS_REGION"]);
  });

  it("no S3 server at the endpoint: pages, whatever is asked; no https; clocks that differ", async () => {
    const away = { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" } as const;
    for (const status of [200, 302, 403, 404]) {
      proxy.weather = () => ({ t: "answer", status, body: PAGE });
      await refused(url, away, [`what answers for .*${proxy.endpoint} is no S3 server: see to the endpoint`]);
    }
    await assert.rejects(store.put(key(), small), { reason: "STORE_UNAVAILABLE" });
    proxy.weather = () => ({ t: "answer", status: 403, body: errorXml("RequestTimeTooSkewed") });
    await refused(url, away, ["clock of this machine .* set the one that is wrong"]);
    await refused(url.replace("http://", "https://"), away, ["EPROTO", "give http:// in the address"]);
  });

  it("a certificate from an authority that nobody knows: what to give, and with that it works", async () => {
    const secure = await S3Server.start(program, "127.0.0.1", true);
    try {
      const address = secure.url();
      await refused(address, { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" }, ["no authority that", "ca="]);
      const other = await S3Server.start(program, "127.0.0.1", true);
      await other.end();
      const unknown = { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE" } as const;
      await refused(`${address}&ca=${other.ca}`, unknown, [`no authority in ${other.ca}`]).finally(() => other.stop());
      const trusting = await openStore(`${address}&ca=${secure.ca}`);
      await trusting.put("packs/a", small);
      assert.deepEqual(Buffer.from(await trusting.get("packs/a")), Buffer.from(small));
      await trusting.close();
    } finally {
      await secure.stop();
    }
  });

  it("a bucket that goes away later is not taken for lost objects", async () => {
    const bucket = "no-such-bucket";
    proxy.weather = () => ({ t: "answer", status: 404, body: errorXml("NoSuchBucket") });
    for (const call of [() => store.head("packs/a"), () => store.get("packs/a"), () => store.put("packs/a", small)])
      await assert.rejects(call, { reason: "STORE_NOT_FOUND" }, bucket);
  });
});

async function all(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const seen: Uint8Array[] = [];
  for await (const piece of pieces) seen.push(Buffer.from(piece));
  return seen;
}
