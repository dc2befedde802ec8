// A server that answers what no honest one would, or seldom: numbers at the end of their range, paths that lead out of a folder, bytes with
// a wrong hash, a file that breaks off, an answer that comes with a time to wait, a deadline that is over here before it is at the
// caller, a connection that breaks long after it said something.
import { type FakeCluster, fakeCluster } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { deadlineExceeded, notFound, unavailable } from "@sheaf/runtime";

const U64_MAX = 2n ** 64n - 1n;
const FAST_MS = 100;
const BREAK_MS = 500;
const CONTENT = Buffer.from("content");
const WRONG = new Uint8Array(32);

export function answeringMachine(): Promise<FakeCluster> {
  let refusals = 0;
  return fakeCluster({
    job: {
      inspectJob: async ({ pipeline }) => ({
        job: {
          pipeline,
          dataTotal: U64_MAX,
          dataProcessed: 2n ** 53n + 1n,
          dataFailed: 2n ** 63n,
          shardsTotal: 2 ** 32 - 1,
        },
      }),
      watchJob: async function* ({ pipeline, resume }, context) {
        const id = "0".repeat(26);
        if (pipeline === "breaks") {
          const state = resume === "" ? api.JobState.PROCESSING : api.JobState.SUCCEEDED;
          yield { job: { id, pipeline, state }, resume: "1" };
          await ended(AbortSignal.timeout(BREAK_MS));
          throw unavailable("DRAINING", "this master stops");
        }
        if (pipeline !== "p") throw notFound("PIPELINE_NOT_FOUND", "there is no such pipeline");
        yield { job: { id, pipeline, state: api.JobState.PROCESSING }, resume: "1" };
        const left = context.timeLeftMs(); // of a client that sends its deadline; one that does not calls off
        await ended(left === undefined ? context.signal : AbortSignal.timeout(Math.max(1, Math.floor(left) - FAST_MS)));
        throw deadlineExceeded("DEADLINE_EXCEEDED", "the operation timed out");
      },
    },
    pipeline: {
      runPipeline: async ({ name, requestId }) => {
        if (refusals++ % 2 === 0)
          throw unavailable("NOT_NOW", "ask again", { retryDelayMs: 30, metadata: { asked: requestId } });
        return { job: { id: "0".repeat(26), pipeline: name } };
      },
    },
    file: {
      getFiles: async function* ({ path }) {
        if (path === "/wrong-hash" || path === "/broken-off") {
          yield { message: { case: "begin", value: { path } } };
          yield { message: { case: "chunk", value: CONTENT } };
          if (path === "/wrong-hash") yield { message: { case: "end", value: { sha256: WRONG } } };
          return;
        }
        yield { message: { case: "batch", value: { files: [{ path, content: CONTENT }] } } };
        const outside = { path: "/a/../../../escaped", content: CONTENT };
        if (path === "/") yield { message: { case: "batch", value: { files: [outside] } } };
      },
    },
    datum: {
      listDatums: async ({ page }) => {
        const at = BigInt(page?.token || "0");
        const index = at === 0n ? 2n ** 53n + 1n : U64_MAX;
        return {
          datums: [{ index, state: api.DatumState.SUCCESS, tries: 2 ** 32 - 1 }],
          nextPageToken: at === 0n ? "1" : "",
        };
      },
    },
  });
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
