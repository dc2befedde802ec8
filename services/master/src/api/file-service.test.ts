import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Etcd, Txn } from "@sheaf/etcd";
import { api } from "@sheaf/proto";
import { resourceExhausted } from "@sheaf/runtime";
import { message, type TestMaster, testEtcd } from "../master.test-kit.ts";
import { upload } from "../upload.test-kit.ts";

const etcd = testEtcd();
const inCommit = (repo: string, ref = "") => ({ commit: { repo, ref } });

/** Contents by path, as a client puts them together. */
async function get(master: TestMaster, fields: MessageInitShape<typeof api.GetFilesRequestSchema>) {
  const files: Record<string, string> = {};
  const kinds: string[] = [];
  let big: { path: string; pieces: Uint8Array[] } | undefined;
  for await (const { message: said } of master.files.getFiles(message(api.GetFilesRequestSchema, fields))) {
    kinds.push(said.case);
    if (said.case === "batch")
      for (const { path, content } of said.value.files) files[path] = Buffer.from(content).toString();
    if (said.case === "begin") big = { path: said.value.path, pieces: [] };
    if (said.case === "chunk") {
      assert.ok(said.value.length <= 1024 * 1024);
      big?.pieces.push(said.value);
    }
    if (said.case === "end" && big !== undefined) {
      const bytes = Buffer.concat(big.pieces);
      assert.deepEqual(Buffer.from(said.value.sha256), createHash("sha256").update(bytes).digest());
      files[big.path] = bytes.toString();
    }
  }
  return { files, kinds };
}

async function filled(cluster: Awaited<ReturnType<typeof etcd.cluster>>, files: Record<string, string>) {
  const master = await cluster.master();
  await master.createRepo("a");
  await master.put("a", files);
  return master;
}

describe("ModifyFiles", () => {
  it("puts, replaces and deletes, as one commit", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, { "/a": "1", "/d/x": "2", "/d/y": "3" });
    const second = await master.put("a", { "/a": "new", "/d/z": "4" }, {}, ["/d", "/missing"]);
    assert.deepEqual([second.files, second.bytes], [2n, 4n]);
    assert.deepEqual((await get(master, inCommit("a"))).files, { "/a": "new", "/d/z": "4" });
  });

  it("34 refuses a file where there is a folder, and the other way, naming both", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, { "/a/b": "1", "/c": "2" });
    const before = (await master.repos.inspectCommit(message(api.InspectCommitRequestSchema, inCommit("a")))).commit.id;
    await assert.rejects(master.put("a", { "/a": "x" }), { code: "FAILED_PRECONDITION", message: /"\/a".*"\/a\/b"/ });
    await assert.rejects(master.put("a", { "/c/d": "x" }), { code: "FAILED_PRECONDITION", message: /"\/c".*"\/c\/d"/ });
    await assert.rejects(master.put("a", { "/n": "x", "/n/m": "y" }), { code: "FAILED_PRECONDITION" });
    const after = (await master.repos.inspectCommit(message(api.InspectCommitRequestSchema, inCommit("a")))).commit.id;
    assert.equal(after, before, "nothing was committed");
  });

  it("refuses a repo that is missing, one that a pipeline writes, and a stream without open", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, { "/a": "1" });
    await master.createPipeline("words", "a");
    await assert.rejects(master.put("b", { "/a": "1" }), { code: "NOT_FOUND", reason: "REPO_NOT_FOUND" });
    await assert.rejects(master.put("words", { "/a": "1" }), {
      code: "FAILED_PRECONDITION",
      reason: "REPO_OF_PIPELINE",
    });
    const noOpen = master.files.modifyFiles((async function* () {})());
    await assert.rejects(noOpen, { code: "INVALID_ARGUMENT", reason: "MESSAGE_ORDER" });
  });

  it("commits of many writers all land, each upon another", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, {});
    const commits = await Promise.all(Array.from({ length: 10 }, (_, i) => master.put("a", { [`/f${i}`]: String(i) })));
    assert.equal(new Set(commits.map((commit) => commit.parent)).size, 10);
    assert.equal(Object.keys((await get(master, inCommit("a"))).files).length, 10);
  });

  it("a head that another master moves is followed", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, { "/a": "1" });
    const other = await cluster.master();
    await Promise.all(
      Array.from({ length: 6 }, (_, i) => (i % 2 === 0 ? master : other).put("a", { [`/f${i}`]: String(i) })),
    );
    assert.equal(Object.keys((await get(master, inCommit("a"))).files).length, 7);
  });

  it("20 the same request id commits once, and another content with it is refused", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, {});
    const first = await master.put("a", { "/x": "1" }, { requestId: "r" });
    assert.deepEqual(await master.put("a", { "/x": "1" }, { requestId: "r" }), first);
    await assert.rejects(master.put("a", { "/x": "2" }, { requestId: "r" }), {
      code: "ALREADY_EXISTS",
      reason: "REQUEST_ID_REUSED",
    });
    const concurrent = await Promise.all([1, 2, 3].map(() => master.put("a", { "/y": "1" }, { requestId: "s" })));
    assert.equal(new Set(concurrent.map((commit) => commit.id)).size, 1);
  });

  for (const applies of [true, false]) {
    it(`a commit whose outcome is unknown and that ${applies ? "has applied" : "was lost"} is there once`, async () => {
      await using cluster = await etcd.cluster();
      const faulty = losing(
        cluster.etcd,
        (txn) => txn.then.some((op) => "put" in op && op.put.includes("/commits/")),
        applies,
      );
      const master = await cluster.master({ etcd: faulty.etcd });
      await master.createRepo("a");
      faulty.arm();
      const commit = await master.put("a", { "/x": "1" });
      const { commits } = await master.repos.listCommits(message(api.ListCommitsRequestSchema, { repo: "a" }));
      assert.deepEqual(
        commits.map((each) => each.id),
        [commit.id],
      );
      assert.equal(faulty.lost(), 1);
    });
  }

  it("a store that is full is told, and nothing is committed", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, { "/a": "1" });
    const full = resourceExhausted("STORE_FULL", "no room in file:///store");
    master.world.store.put = () => Promise.reject(full);
    await assert.rejects(master.put("a", { "/b": "2" }), {
      code: "RESOURCE_EXHAUSTED",
      reason: "STORE_FULL",
    });
    assert.deepEqual((await get(master, inCommit("a"))).files, { "/a": "1" });
  });

  it("an upload that its client calls off leaves no commit", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, { "/a": "1" });
    async function* broken() {
      yield* upload("a", { "/b": "2" });
      throw new Error("the client is gone");
    }
    await assert.rejects(master.files.modifyFiles(broken()));
    assert.deepEqual((await get(master, inCommit("a"))).files, { "/a": "1" });
  });
});

describe("reads of files", () => {
  const files = { "/a-b": "0", "/a/1": "11", "/a/2": "22", "/b.txt": "3", "/z/y/x": "4" };

  it("give a file, a folder, or what a glob covers", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, files);
    const paths = async (fields: object) => Object.keys((await get(master, { ...inCommit("a"), ...fields })).files);
    assert.deepEqual(await paths({}), ["/a-b", "/a/1", "/a/2", "/b.txt", "/z/y/x"]);
    assert.deepEqual(await paths({ path: "/a" }), ["/a/1", "/a/2"]);
    assert.deepEqual(await paths({ path: "/a/" }), ["/a/1", "/a/2"]);
    assert.deepEqual(await paths({ path: "/a/2" }), ["/a/2"]);
    assert.deepEqual(await paths({ glob: "/*" }), ["/a-b", "/a/1", "/a/2", "/b.txt", "/z/y/x"]);
    assert.deepEqual(await paths({ glob: "/z" }), ["/z/y/x"]);
    assert.deepEqual(await paths({ glob: "**.txt" }), ["/b.txt"]);
    assert.deepEqual(await paths({ glob: "/nothing" }), []);
    assert.deepEqual(await paths({ path: "/a", glob: "/a/1" }), ["/a/1"]);
    await assert.rejects(paths({ path: "/c" }), { code: "NOT_FOUND", reason: "FILE_NOT_FOUND" });
    await assert.rejects(paths({ path: "/a/../b" }), { code: "INVALID_ARGUMENT", reason: "PATH_INVALID" });
    await assert.rejects(paths({ glob: "/{" }), { code: "INVALID_ARGUMENT", reason: "GLOB_INVALID" });
  });

  it("send small files together, big ones in chunks with their hash", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, { "/1": "x".repeat(100), "/2": "y".repeat(900_000), "/3": "", "/4": "z" });
    const { files: got, kinds } = await get(master, inCommit("a"));
    assert.deepEqual(kinds, ["batch", "begin", "chunk", "end", "batch"]);
    assert.deepEqual(
      Object.entries(got).map(([path, text]) => [path, text.length]),
      [
        ["/1", 100],
        ["/2", 900_000],
        ["/3", 0],
        ["/4", 1],
      ],
    );
  });

  it("list folders, page by page", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, files);
    const seen: string[] = [];
    for (let token = ""; ; ) {
      const page = await master.files.listFiles(
        message(api.ListFilesRequestSchema, { ...inCommit("a"), page: { size: 2, token } }),
      );
      seen.push(...page.files.map((file) => `${file.path} ${file.kind} ${file.files} ${file.bytes}`));
      token = page.nextPageToken;
      if (token === "") break;
    }
    assert.deepEqual(seen, ["/a-b 1 1 1", "/a 2 2 4", "/b.txt 1 1 1", "/z 2 1 1"]);
    const list = (path: string) =>
      master.files.listFiles(message(api.ListFilesRequestSchema, { ...inCommit("a"), path }));
    await assert.rejects(list("/b.txt"), { code: "NOT_FOUND", reason: "FOLDER_NOT_FOUND" });
    await assert.rejects(list("/c"), { code: "NOT_FOUND", reason: "FILE_NOT_FOUND" });
  });

  it("list what a glob matches, page by page", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, files);
    const seen: string[] = [];
    for (let token = ""; ; ) {
      const asked = { ...inCommit("a"), glob: "{/a,/*/*,/b*}", page: { size: 1, token } };
      const page = await master.files.globFiles(message(api.GlobFilesRequestSchema, asked));
      seen.push(...page.files.map((file) => file.path));
      token = page.nextPageToken;
      if (token === "") break;
    }
    assert.deepEqual(seen, ["/a", "/a/1", "/a/2", "/b.txt", "/z/y"]);
    const forged = Buffer.from("glob\n/a\nx").toString("base64url");
    const garbage = master.files.globFiles(
      message(api.GlobFilesRequestSchema, { ...inCommit("a"), glob: "/*", page: { token: forged } }),
    );
    await assert.rejects(garbage, { code: "INVALID_ARGUMENT", reason: "PAGE_TOKEN_INVALID" });
  });

  it("inspect files and folders", async () => {
    await using cluster = await etcd.cluster();
    const master = await filled(cluster, files);
    const inspect = async (path: string) =>
      (await master.files.inspectFile(message(api.InspectFileRequestSchema, { ...inCommit("a"), path }))).file;
    const file = await inspect("/a/1");
    assert.deepEqual(
      [file.kind, file.bytes, file.hash],
      [api.FileKind.FILE, 2n, createHash("sha256").update("11").digest("hex")],
    );
    const folder = await inspect("/a");
    assert.deepEqual([folder.kind, folder.files, folder.bytes, folder.hash], [api.FileKind.FOLDER, 2n, 4n, ""]);
    const root = await inspect("/");
    assert.deepEqual([root.kind, root.files, root.bytes], [api.FileKind.FOLDER, 5n, 7n]);
    await assert.rejects(inspect("/c"), { code: "NOT_FOUND", reason: "FILE_NOT_FOUND" });
  });
});

/** An etcd that loses the answer to the next transaction of that kind, which has applied or has not. */
function losing(real: Etcd, matches: (txn: Txn) => boolean, applies: boolean) {
  let armed = false;
  let lost = 0;
  const etcd: Etcd = Object.assign(Object.create(real) as Etcd, {
    txn: async (txn: Txn) => {
      if (!armed || !matches(txn)) return real.txn(txn);
      armed = false;
      lost++;
      if (applies) await real.txn(txn);
      return { kind: "unknown", cause: "the answer was lost" } as const;
    },
    get: (key: string) => real.get(key),
    list: real.list.bind(real),
    page: real.page.bind(real),
    watch: real.watch.bind(real),
    grantLease: real.grantLease.bind(real),
  });
  return { etcd, arm: () => (armed = true), lost: () => lost };
}
