import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { memoryStore, type Store } from "@sheaf/storage";
import fc from "fast-check";
import { utf8 } from "../bytes.ts";
import { comparePaths } from "../path.ts";
import { datumRecords, fileRecords, indexKey } from "./records.ts";
import { openTable, readBlocks, readSection } from "./table-reader.ts";
import { TableWriter } from "./table-writer.ts";

const name = fc.string({
  unit: fc.constantFrom("a", "b", "/", "\u{1f600}", "\uffee"),
  minLength: 1,
  maxLength: 4,
});

async function write(target: Store, paths: readonly string[], blockBytes: number): Promise<store.TableRef> {
  const table = new TableWriter();
  const section = table.section(blockBytes);
  paths.forEach((path, i) => section.add(fileRecords, create(store.FileEntrySchema, { path, datum: BigInt(i) })));
  const footer = create(store.IndexFooterSchema, { version: 1, files: section.finish() });
  return table.put(target, "indexes", store.IndexFooterSchema, footer);
}

test("any range of keys reads what a filter over all records gives", async () => {
  const paths = fc.array(name, { maxLength: 40 }).map((all) => all.sort(comparePaths));
  const bound = fc.option(name, { nil: undefined });
  await fc.assert(
    fc.asyncProperty(
      paths,
      bound,
      bound,
      fc.constantFrom(1, 30, 1e6),
      fc.boolean(),
      async (all, from, to, blockBytes, whole) => {
        const target = memoryStore();
        const ref = await write(target, all, blockBytes);
        const table = await openTable(target, ref, store.IndexFooterSchema, whole ? 1e6 : 0);
        const range = {
          from: from === undefined ? undefined : utf8(from),
          to: to === undefined ? undefined : utf8(to),
        };
        const read: [string, bigint][] = [];
        for await (const { path, datum } of readSection(table, table.footer.files, fileRecords, range))
          read.push([path, datum]);
        const expected = all
          .map((path, i): [string, bigint] => [path, BigInt(i)])
          .filter(([path]) => from === undefined || comparePaths(path, from) >= 0)
          .filter(([path]) => to === undefined || comparePaths(path, to) < 0);
        assert.deepEqual(read, expected);
        assert.equal(table.footer.files?.count, BigInt(all.length));
      },
    ),
    { numRuns: 500 },
  );
});

test("several sections in one object", async () => {
  const target = memoryStore();
  const table = new TableWriter();
  const files = table.section();
  files.add(fileRecords, create(store.FileEntrySchema, { path: "/a" }));
  const filesSection = files.finish();
  const datums = table.section(10);
  for (let i = 0n; i < 1_000n; i++) datums.add(datumRecords, create(store.DatumRowSchema, { index: i, id: `id${i}` }));
  const footer = create(store.RunFooterSchema, { files: filesSection, datums: datums.finish() });
  const ref = await table.put(target, "runs", store.RunFooterSchema, footer);
  const opened = await openTable(target, ref, store.RunFooterSchema);
  const rows: bigint[] = [];
  const range = { from: indexKey(250n), to: indexKey(260n) };
  for await (const row of readSection(opened, opened.footer.datums, datumRecords, range)) rows.push(row.index);
  assert.deepEqual(
    rows,
    Array.from({ length: 10 }, (_, i) => 250n + BigInt(i)),
  );
});

test("a range reads only the blocks that it needs, neighbours in one read", async () => {
  const inner = memoryStore();
  const paths = Array.from({ length: 5_000 }, (_, i) => `/${String(i).padStart(6, "0")}${"x".repeat(100)}`);
  const ref = await write(inner, paths, 1_000);
  const reads: { offset: number; length: number }[] = [];
  const target: Store = {
    ...inner,
    get: (key, range) => {
      if (range !== undefined) reads.push(range);
      return inner.get(key, range);
    },
  };
  const table = await openTable(target, ref, store.IndexFooterSchema, 0);
  assert.deepEqual(
    reads.map(({ length }) => length),
    [ref.footerSize],
  );
  reads.length = 0;
  const range = { from: utf8("/002000"), to: utf8("/002100") };
  let count = 0;
  for await (const _ of readSection(table, table.footer.files, fileRecords, range)) count++;
  assert.equal(count, 100);
  assert.equal(reads.length, 1);
  assert.ok((reads[0]?.length ?? 0) < 13_000);
  reads.length = 0;
  for await (const _ of readBlocks(table, table.footer.files, {}, 2_000));
  assert.ok(reads.length > 3 && reads.every(({ length }) => length <= 2_000));
});

test("records must come in order", () => {
  const section = new TableWriter().section();
  section.add(fileRecords, create(store.FileEntrySchema, { path: "/b" }));
  section.add(fileRecords, create(store.FileEntrySchema, { path: "/b" }));
  assert.throws(() => section.add(fileRecords, create(store.FileEntrySchema, { path: "/a" })), {
    reason: "TABLE_NOT_SORTED",
  });
});

test("a record larger than a block is refused by the writer", () => {
  const section = new TableWriter().section();
  assert.throws(() => section.addPacked(utf8("/a"), new Uint8Array(65 * 1024 * 1024)), {
    reason: "RECORD_TOO_LARGE",
  });
});

test("the same content is the same object", async () => {
  const target = memoryStore();
  const one = await write(target, ["/a", "/b"], 100);
  const two = await write(target, ["/a", "/b"], 100);
  assert.deepEqual(one, two);
});

test("wherever one bit is turned, the reader says that the object is damaged", async () => {
  const paths = Array.from({ length: 60 }, (_, i) => `/${i}`).sort(comparePaths);
  const inner = memoryStore();
  const ref = await write(inner, paths, 300);
  const key = ref.object?.key as string;
  const good = await inner.get(key);
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length * 8 - 1), fc.boolean(), async (bit, whole) => {
      const bad = new Uint8Array(good);
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
      const target = memoryStore();
      await target.put(key, bad);
      const read = async (): Promise<void> => {
        const table = await openTable(target, ref, store.IndexFooterSchema, whole ? 1e6 : 0);
        for await (const _ of readSection(table, table.footer.files, fileRecords));
      };
      await assert.rejects(read, { code: "DATA_LOSS", reason: "OBJECT_CORRUPT" });
    }),
    { numRuns: 300 },
  );
});

test("a table that is cut off, missing, or named with a wrong footer", async () => {
  const target = memoryStore();
  const ref = await write(target, ["/a", "/b"], 100);
  const key = ref.object?.key as string;
  const bytes = await target.get(key);
  await target.delete(key);
  const open = (table: store.TableRef): Promise<unknown> => openTable(target, table, store.IndexFooterSchema);
  await assert.rejects(() => open(ref), { reason: "OBJECT_MISSING" });
  await target.put(key, bytes.subarray(0, bytes.length - 3));
  await assert.rejects(() => open(ref), { reason: "OBJECT_CORRUPT" });
  await assert.rejects(() => open(create(store.TableRefSchema, { ...ref, footerSize: 1_000_000 })), {
    reason: "OBJECT_CORRUPT",
  });
  await assert.rejects(() => open(create(store.TableRefSchema, {})), {
    reason: "REFERENCE_INVALID",
  });
});
