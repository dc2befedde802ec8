import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { api, store } from "@sheaf/proto";
import { datumId, workId } from "./datum-id.ts";

type Spec = MessageInitShape<typeof api.PipelineSpecSchema>;
type TransformInit = MessageInitShape<typeof api.TransformSchema>;

const file = (path: string, byte: number, executable = false) =>
  create(store.FileEntrySchema, { path, hash: new Uint8Array(32).fill(byte), size: 3n, executable });
const input = (path: string, files: store.FileEntry[], name = "in") =>
  create(store.DatumInputSchema, { name, path, files });
const work = (spec: Spec, pipeline = "p") => workId(pipeline, create(api.PipelineSpecSchema, spec));
const transform = (more: TransformInit = {}, spec: Spec = {}) =>
  work({ ...spec, transform: { cmd: ["sh", "-c", "true"], ...more } as api.Transform });

describe("datumId()", () => {
  const files = [file("/a/1", 1), file("/a/2", 2)];
  const id = datumId("w", [input("/a", files)]);

  it("is 64 hex characters, whatever the place where the bytes lie", () => {
    assert.match(id, /^[0-9a-f]{64}$/);
    const elsewhere = file("/a/1", 1);
    elsewhere.segments = [create(store.SegmentSchema, { length: 3 })];
    assert.equal(datumId("w", [input("/a", [elsewhere, file("/a/2", 2)])]), id);
  });

  it("is another for another work, and for whatever the command sees of the files", () => {
    const others = [
      datumId("v", [input("/a", files)]),
      datumId("w", [input("/b", files)]),
      datumId("w", [input("/a", files, "other")]),
      datumId("w", [input("/a", [file("/a/1", 1), file("/a/2", 3)])]),
      datumId("w", [input("/a", [file("/a/1", 1), file("/a/3", 2)])]),
      datumId("w", [input("/a", [file("/a/1", 1, true), file("/a/2", 2)])]),
      datumId("w", [input("/a", [file("/a/1", 1)])]),
      datumId("w", [input("/a", [file("/a/1", 1)]), input("/a", [file("/a/2", 2)])]),
      datumId("w", []),
    ];
    assert.equal(new Set([id, ...others]).size, others.length + 1);
  });
});

describe("workId()", () => {
  it("is another for each part of the spec that decides a result", () => {
    const ids = [
      transform(),
      workId("q", create(api.PipelineSpecSchema, { transform: { cmd: ["sh", "-c", "true"] } })),
      transform({}, { salt: "1" }),
      transform({ cmd: ["sh", "-c true"] }),
      transform({ cmd: ["sh", "-c", "true", ""] }),
      transform({ cmd: ["sh"], stdin: ["-c", "true"] }),
      transform({ stdin: ["true"] }),
      transform({ image: "a" }),
      transform({ workingDir: "/a" }),
      transform({ env: { a: "1", b: "2" } }),
      transform({ env: { a: "1" } }),
      transform({ env: { a1: "" } }),
      transform({ acceptReturnCode: [1] }),
      transform({ acceptReturnCode: [1, 2] }),
      transform({ errCmd: ["true"] }),
      transform({ errStdin: ["true"] }),
      transform({ user: "a" }),
      transform({ secrets: [{ name: "a" }] }),
      transform({ secrets: [{ key: "a" }] }),
      transform({ datumBatching: true }),
      transform({ handler: "a" }),
      transform({}, { merge: { strategy: api.MergeStrategy.SUM } }),
      transform({}, { input: { pfs: { name: "in", emptyFiles: true } } }),
    ];
    assert.equal(new Set(ids).size, ids.length);
  });

  it("is the same whatever only says when, how often and where the command is run", () => {
    const spec: Spec = {
      datumTries: 5,
      reprocessSpec: "every_job",
      parallelismSpec: { constant: 9n },
      input: { pfs: { name: "in", glob: "/*" } },
      datumTimeout: { seconds: 9n },
      outputBranch: "other",
    };
    assert.equal(transform({ debug: true }, spec), transform());
  });

  it("is the same in whatever order the variables stand", () => {
    assert.equal(transform({ env: { a: "1", b: "2" } }), transform({ env: { b: "2", a: "1" } }));
    const spec = create(api.PipelineSpecSchema, { transform: { env: { é: "1", z: "2", a: "3" } } });
    const again = fromBinary(api.PipelineSpecSchema, toBinary(api.PipelineSpecSchema, spec));
    assert.equal(workId("p", again), workId("p", spec));
  });
});
