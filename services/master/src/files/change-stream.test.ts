import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { readSegments } from "@sheaf/files";
import { api } from "@sheaf/proto";
import type { SheafError } from "@sheaf/runtime";
import { memoryStore } from "@sheaf/storage";
import { ChangeStream } from "./change-stream.ts";

type Message = NonNullable<Parameters<typeof create<typeof api.ModifyFilesRequestSchema>>[1]>["message"];
const bytes = (text: string) => new TextEncoder().encode(text);
const batch = (...files: [string, string][]): Message => ({
  case: "batch",
  value: create(api.FileBatchSchema, { files: files.map(([path, text]) => ({ path, content: bytes(text) })) }),
});
const begin = (path: string): Message => ({
  case: "begin",
  value: create(api.FileBeginSchema, { path, executable: true }),
});
const chunk = (value: Uint8Array): Message => ({ case: "chunk", value });
const end = (sha256 = new Uint8Array()): Message => ({ case: "end", value: create(api.FileEndSchema, { sha256 }) });
const deletion = (path: string): Message => ({ case: "delete", value: create(api.DeletePathSchema, { path }) });

const finish: Message = { case: "finish", value: create(api.ModifyFilesFinishSchema) };

async function take(...messages: Message[]) {
  return takeAll(...messages, finish);
}

async function takeAll(...messages: Message[]) {
  const store = memoryStore();
  const changes = new ChangeStream(store);
  for (const message of messages)
    await changes.take(create(api.ModifyFilesRequestSchema, { message: message as never }));
  const said = Buffer.from(await changes.finish()).toString("hex");
  const files: Record<string, string> = {};
  for (const entry of changes.puts.sorted()) {
    const pieces: Uint8Array[] = [];
    for await (const piece of readSegments(store, entry.segments)) pieces.push(piece);
    files[entry.path] = Buffer.concat(pieces).toString();
  }
  return { said, files, deletes: changes.deletes };
}

describe("ChangeStream", () => {
  it("takes small files, big ones and deletions", async () => {
    const big = bytes("x".repeat(3_000_000));
    const hash = new Uint8Array(createHash("sha256").update(big).digest());
    const pieces = [0, 1, 2].map((i) => chunk(big.subarray(i * 1_000_000, (i + 1) * 1_000_000)));
    const { files, deletes } = await take(
      batch(["/b", "two"], ["/a", ""]),
      begin("/c"),
      ...pieces,
      end(hash),
      deletion("/old"),
    );
    assert.deepEqual(Object.keys(files), ["/a", "/b", "/c"]);
    assert.equal(files["/b"], "two");
    assert.equal(files["/c"]?.length, 3_000_000);
    assert.deepEqual(deletes, ["/old"]);
  });

  it("says the same of the same files, however they were cut into messages", async () => {
    const one = await take(batch(["/a", "1"], ["/b", "2"]), begin("/c"), chunk(bytes("abcdef")), end());
    const two = await take(
      batch(["/a", "1"]),
      batch(["/b", "2"]),
      begin("/c"),
      chunk(bytes("abc")),
      chunk(bytes("def")),
      end(),
    );
    const other = await take(batch(["/a", "1"], ["/b", "3"]), begin("/c"), chunk(bytes("abcdef")), end());
    assert.equal(one.said, two.said);
    assert.notEqual(one.said, other.said);
  });

  const refused: readonly [string, Message[], object][] = [
    [
      "30 a NUL in a path",
      [batch(["/ok", ""], ["/a\0b", ""])],
      { code: "INVALID_ARGUMENT", details: [{ field: "batch.files[1].path" }] },
    ],
    ["30 a newline", [begin("/a\nb")], { code: "INVALID_ARGUMENT" }],
    ["30 a backslash", [batch(["/a\\b", ""])], { code: "INVALID_ARGUMENT" }],
    ["30 a segment of 256 bytes", [batch([`/${"a".repeat(256)}`, ""])], { code: "INVALID_ARGUMENT" }],
    ["30 a path of 1,025 bytes", [batch([`/${"a/".repeat(512)}`, ""])], { code: "INVALID_ARGUMENT" }],
    ["30 a dot segment", [batch(["/a/../b", ""])], { code: "INVALID_ARGUMENT" }],
    ["30 a relative path", [batch(["a", ""])], { code: "INVALID_ARGUMENT" }],
    ["32 a path that is not composed", [batch(["/cafe\u0301", ""])], { code: "INVALID_ARGUMENT" }],
    ["a deletion of nothing", [deletion("")], { code: "INVALID_ARGUMENT" }],
    [
      "37 a wrong checksum",
      [begin("/a"), chunk(bytes("abc")), end(new Uint8Array(32))],
      { code: "DATA_LOSS", reason: "CHECKSUM_MISMATCH" },
    ],
    ["a checksum of 5 bytes", [begin("/a"), end(new Uint8Array(5))], { code: "INVALID_ARGUMENT" }],
    ["a chunk above 1 MiB", [begin("/a"), chunk(new Uint8Array(1024 * 1024 + 1))], { code: "INVALID_ARGUMENT" }],
    ["a batch above 1 MiB", [batch(["/a", "x".repeat(1024 * 1024 + 1)])], { code: "INVALID_ARGUMENT" }],
    ["a chunk without a begin", [chunk(bytes("a"))], { reason: "MESSAGE_ORDER" }],
    ["an end without a begin", [end()], { reason: "MESSAGE_ORDER" }],
    ["a batch inside a file", [begin("/a"), batch(["/b", ""])], { reason: "MESSAGE_ORDER" }],
    ["37 a file without an end", [begin("/a"), chunk(bytes("a"))], { reason: "MESSAGE_ORDER" }],
    ["a second open", [{ case: "open", value: create(api.ModifyFilesOpenSchema) }], { reason: "MESSAGE_ORDER" }],
    ["a message that says nothing", [{ case: undefined } as never], { reason: "MESSAGE_ORDER" }],
  ];
  it("refuses a stream that ends without finish: it may have been cut off", async () => {
    await assert.rejects(takeAll(batch(["/a", "1"])), { reason: "MESSAGE_ORDER" });
  });

  it("refuses what comes after finish", async () => {
    await assert.rejects(takeAll(finish, batch(["/a", "1"])), { reason: "MESSAGE_ORDER" });
  });

  for (const [name, messages, expected] of refused) {
    it(`refuses ${name}`, async () => {
      await assert.rejects(take(...messages), ({ code, reason, details }: SheafError) => {
        assert.partialDeepStrictEqual({ code, reason, details }, expected);
        return true;
      });
    });
  }
});
