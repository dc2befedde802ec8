/** What the public port does with uploads, whoever sends them: half of one must never look like a whole one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { invalidArgument } from "@sheaf/runtime";
import { failureOf, type Pair, running } from "./server.suite.ts";

async function* batches(count: number) {
  yield { message: { case: "open" as const, value: { repo: "r" } } };
  for (let i = 0; i < count; i++) yield { message: { case: "chunk" as const, value: new Uint8Array(1000) } };
}

export function uploadSuite(name: string, pair: Pair): void {
  describe(`uploads: ${name}`, () => {
    it("takes an upload", async () => {
      await using all = await running(
        pair,
        {},
        {
          modifyFiles: async (requests) => {
            let bytes = 0;
            for await (const { message } of requests) if (message.case === "chunk") bytes += message.value.length;
            return { commit: { bytes: BigInt(bytes) } };
          },
        },
      );
      const { commit } = await all.connection.client(api.FileService).modifyFiles(batches(500));
      assert.equal(commit?.bytes, 500_000n);
    });

    it("never shows half an upload as a whole one: the source fails", async () => {
      const { begun, end, modifyFiles } = readingToTheEnd();
      await using all = await running(pair, {}, { modifyFiles });
      async function* failing() {
        yield* batches(3);
        await begun;
        throw new Error("disk gone");
      }
      const call = all.connection.client(api.FileService).modifyFiles(failing());
      await assert.rejects(call, /disk gone/);
      assert.ok((await end) instanceof Error, "the handler took half an upload for a whole one");
    });

    it("never shows half an upload as a whole one: the caller calls it off", async () => {
      const { begun, end, modifyFiles } = readingToTheEnd();
      const off = new AbortController();
      await using all = await running(pair, {}, { modifyFiles });
      async function* slow() {
        yield* batches(3);
        await begun;
        off.abort();
        await new Promise(() => {});
      }
      const call = all.connection.client(api.FileService).modifyFiles(slow(), { signal: off.signal });
      assert.equal((await failureOf(call)).code, "CANCELLED");
      assert.ok((await end) instanceof Error, "the handler took half an upload for a whole one");
    });

    it("tells an upload early why it is refused", async () => {
      await using all = await running(
        pair,
        {},
        { modifyFiles: () => Promise.reject(invalidArgument("PATH_BAD", "no such repo")) },
      );
      async function* endless() {
        for (;;) yield* batches(100);
      }
      const seen = await failureOf(all.connection.client(api.FileService).modifyFiles(endless()));
      assert.equal(seen.reason, "PATH_BAD");
    });
  });
}

/** A handler of uploads that tells when the first message came, and how the upload ended. */
function readingToTheEnd() {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<unknown>();
  const modifyFiles = async (requests: AsyncIterable<unknown>) => {
    try {
      for await (const _ of requests) begun.resolve();
      end.resolve("whole");
    } catch (error) {
      end.resolve(error);
    }
    return {};
  };
  return { begun: begun.promise, end: end.promise, modifyFiles };
}
