import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { aborted, invalidArgument, systemRandom } from "@sheaf/runtime";
import { connect, type FakeCluster, fakeCluster, type SheafClient } from "./index.ts";

let dir: string;
let cluster: FakeCluster;
let client: SheafClient;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "sheaf-client-"));
  cluster = await fakeCluster();
  client = connect(cluster.address);
  await client.rpc.repo.createRepo({ name: "logs" });
});
afterEach(async () => {
  client.close();
  await cluster[Symbol.asyncDispose]();
  chmodSync(dir, 0o700);
  rmSync(dir, { recursive: true, force: true });
});

const stored = (id: string) => cluster.world.commits.get(id)?.tree ?? new Map();

describe("putFolder", () => {
  it("puts small files, big files, empty files and programs as one commit", async () => {
    mkdirSync(join(dir, "a/b"), { recursive: true });
    const big = Buffer.alloc(3_500_000, "0123456789");
    writeFileSync(join(dir, "a/b/big"), big);
    writeFileSync(join(dir, "a/empty"), "");
    writeFileSync(join(dir, "run.sh"), "exit", { mode: 0o755 });
    const told: number[] = [];
    const done = await client.putFolder("logs", "master", dir, { onProgress: ({ files }) => told.push(files) });
    assert.deepEqual([done.files, done.bytes], [3, big.length + 4]);
    const tree = stored(done.commit.id);
    assert.deepEqual([...tree.keys()].sort(), ["/a/b/big", "/a/empty", "/run.sh"]);
    assert.ok(big.equals(tree.get("/a/b/big")?.content ?? []));
    assert.equal(tree.get("/run.sh")?.executable, true);
    assert.equal(tree.get("/a/empty")?.executable, false);
    assert.ok(told.length >= 5);
  });

  it("keeps every message within 1 MiB, with thousands of files", async () => {
    for (let i = 0; i < 3_000; i++) writeFileSync(join(dir, `file-${i}`), Buffer.alloc(i % 3 === 0 ? 2_000 : 0, "x"));
    const { files, commit } = await client.putFolder("logs", "master", dir);
    assert.equal(files, 3_000);
    assert.equal(stored(commit.id).size, 3_000);
  });

  it("leaves out links and pipes, and says how many", async () => {
    writeFileSync(join(dir, "real"), "1");
    mkdirSync(join(dir, "folder"));
    symlinkSync("real", join(dir, "link"));
    symlinkSync("folder", join(dir, "link-to-folder"));
    symlinkSync("..", join(dir, "folder", "loop"));
    execFileSync("mkfifo", [join(dir, "pipe")]);
    const { files, skipped } = await client.putFolder("logs", "master", dir);
    assert.equal(files, 1);
    assert.deepEqual(skipped, { links: 3, special: 1 });
  });

  it("takes what the filter lets through, and puts it under a folder", async () => {
    for (const name of ["a.ts", "a.js", "b.ts"]) writeFileSync(join(dir, name), name);
    const options = { filter: (path: string) => path.endsWith(".ts"), under: "/src" };
    const { commit } = await client.putFolder("logs", "master", dir, options);
    assert.deepEqual([...stored(commit.id).keys()], ["/src/a.ts", "/src/b.ts"]);
  });

  it("names a file that cannot be read, and commits nothing", async () => {
    writeFileSync(join(dir, "a"), "1");
    // The superuser may read everything; a file that went away meanwhile nobody can.
    const files = [
      { path: "a", source: join(dir, "a") },
      { path: "gone", source: join(dir, "gone") },
    ];
    await assert.rejects(client.putFiles("logs", "master", files), { code: "NOT_FOUND", message: /gone/ });
    symlinkSync("a", join(dir, "link"));
    await assert.rejects(client.putFiles("logs", "master", [{ path: "link", source: join(dir, "link") }]), {
      code: "PERMISSION_DENIED",
      message: /link": it is a link; nothing was committed/,
    });
    assert.equal(cluster.world.commits.size, 0);
  });

  it("commits nothing when a source breaks after megabytes were sent", async () => {
    for (let i = 0; i < 8; i++) writeFileSync(join(dir, `f${i}`), Buffer.alloc(900_000));
    const filter = (path: string) => {
      if (path === "f7") throw invalidArgument("TEST", "f7 is bad");
      return true;
    };
    await assert.rejects(client.putFolder("logs", "master", dir, { filter }), { message: "f7 is bad" });
    assert.equal(cluster.world.commits.size, 0);
  });

  it("refuses a name that is not UTF-8, and one that is a folder no more", async () => {
    await assert.rejects(client.putFolder("logs", "master", join(dir, "missing")), { code: "NOT_FOUND" });
    writeFileSync(join(dir, "file"), "");
    await assert.rejects(client.putFolder("logs", "master", join(dir, "file")), { reason: "NOT_A_FOLDER" });
    writeFileSync(join(dir, "fine \ufffd"), "");
    await client.putFolder("logs", "master", dir);
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/bad`), Buffer.from([0xff])]), "");
    await assert.rejects(client.putFolder("logs", "master", dir), { reason: "FILE_NAME_NOT_UNICODE" });
  });

  it("puts a sparse file by its bytes", async () => {
    writeFileSync(join(dir, "sparse"), "x");
    truncateSync(join(dir, "sparse"), 2_000_000);
    const { bytes } = await client.putFolder("logs", "master", dir);
    assert.equal(bytes, 2_000_000);
  });

  it("puts what is in a file that says it is empty until it is read", async () => {
    const source = "/proc/version";
    const { commit, bytes } = await client.putFiles("logs", "master", [{ path: "version", source }]);
    const text = readFileSync(source, "utf8");
    assert.equal(stored(commit.id).get("/version")?.content.toString(), text);
    assert.equal(bytes, text.length);
  });

  it("puts files that are named one by one", async () => {
    writeFileSync(join(dir, "x"), "1");
    const files = [{ path: "renamed", source: join(dir, "x") }];
    const { commit } = await client.putFiles("logs", "dev", files);
    assert.deepEqual([...stored(commit.id).keys()], ["/renamed"]);
    await assert.rejects(client.putFiles("logs", "dev", [{ path: "d", source: dir }]), {
      message: /it is not a regular file/,
    });
  });
});

it("sends all again when somebody else moved the branch, as often as 10 s allow", async () => {
  let calls = 0;
  const requests = new Set<string>();
  await using other = await fakeCluster({
    file: {
      modifyFiles: async (steps) => {
        for await (const { message } of steps) if (message.case === "open") requests.add(message.value.requestId);
        if (++calls < 8) throw aborted("BRANCH_MOVED", "the branch moved");
        return { commit: { id: "done" } };
      },
    },
  });
  writeFileSync(join(dir, "x"), "1");
  const again = connect(other.address, { random: { ...systemRandom, float: () => 0 } }); // the shortest waits
  const { commit, files } = await again.putFolder("logs", "master", dir);
  again.close();
  assert.deepEqual([commit.id, files, calls, requests.size], ["done", 1, 8, 1]);
});
