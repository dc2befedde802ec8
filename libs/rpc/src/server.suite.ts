/** What every pair of server and client of this package does the same. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { invalidArgument, SheafError, stressLifecycle, systemClock, testLogger, unavailable } from "@sheaf/runtime";
import type { Connection } from "./connection.ts";
import type { CallContext, Handlers } from "./handlers.ts";
import { implement } from "./mount.ts";
import type { RpcServer, RpcServerOptions } from "./rpc-server.ts";

export interface Pair {
  readonly serve: (options: RpcServerOptions) => RpcServer;
  readonly connect: (address: string) => Connection;
}

type JobHandlers = Handlers<typeof api.JobService>;
type FileHandlers = Handlers<typeof api.FileService>;

export interface Running extends AsyncDisposable {
  readonly server: RpcServer;
  readonly connection: Connection;
}

/** A server with these handlers and a connection to it, both gone at the end of the test. */
export async function running({ serve, connect }: Pair, jobs: JobHandlers, files: FileHandlers = {}): Promise<Running> {
  const services = [implement(api.JobService, jobs)];
  if (Object.keys(files).length > 0) services.push(implement(api.FileService, files));
  const server = serve({ host: "127.0.0.1", port: 0, services, log: testLogger() });
  await server.start();
  const connection = connect(`127.0.0.1:${server.address.port}`);
  const dispose = async () => {
    connection.close();
    await server.stop();
  };
  return { server, connection, [Symbol.asyncDispose]: dispose };
}

export async function failureOf(promise: Promise<unknown>): Promise<SheafError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof SheafError, `a SheafError was expected, not ${String(thrown)}`);
  return thrown;
}

/** Resolves with the context of the first call that reaches it; the call itself then waits for ever. */
function hanging() {
  const reached = Promise.withResolvers<CallContext>();
  const gone = Promise.withResolvers<unknown>();
  const hang = (context: CallContext) => {
    reached.resolve(context);
    context.signal.addEventListener("abort", () => gone.resolve(context.signal.reason));
    return new Promise<never>(() => {});
  };
  return { reached: reached.promise, gone: gone.promise, hang };
}

export function serverSuite(name: string, pair: Pair): void {
  describe(name, () => {
    it("answers a call, with what was asked", async () => {
      await using all = await running(pair, {
        inspectJob: async ({ pipeline, job }) => ({ job: { pipeline, id: job } }),
      });
      const { job } = await all.connection.client(api.JobService).inspectJob({ pipeline: "p", job: "j" });
      assert.deepEqual([job?.pipeline, job?.id], ["p", "j"]);
    });

    it("carries code, reason, message, violations, metadata and retry delay of an error", async () => {
      const error = invalidArgument("GLOB_BAD", "the glob ends in the middle: é", {
        details: [{ field: "input.pfs.glob", description: "unclosed [" }],
        metadata: { position: "3" },
        retryDelayMs: 1_500,
      });
      await using all = await running(pair, { inspectJob: () => Promise.reject(error) });
      const seen = await failureOf(all.connection.client(api.JobService).inspectJob({}));
      assert.deepEqual(
        [seen.code, seen.reason, seen.message, seen.details, { ...seen.metadata }, seen.retryDelayMs],
        ["INVALID_ARGUMENT", "GLOB_BAD", error.message, error.details, { position: "3" }, 1_500],
      );
    });

    it("tells a bug by an id only: no message, no path, no stack", async () => {
      await using all = await running(pair, {
        listJobs: async () => {
          throw new Error("ENOENT: /srv/secret/place");
        },
      });
      const seen = await failureOf(all.connection.client(api.JobService).listJobs({}));
      assert.equal(seen.code, "INTERNAL");
      assert.match(seen.message, /^internal error [0-9a-f]{8}: the log of the service says more$/);
      assert.match(seen.metadata.errorId ?? "", /^[0-9a-f]{8}$/);
    });

    it("answers UNIMPLEMENTED for an RPC without a handler", async () => {
      await using all = await running(pair, {});
      const seen = await failureOf(all.connection.client(api.JobService).stopJob({}));
      assert.equal(seen.code, "UNIMPLEMENTED");
    });

    it("ends a call at its deadline, also when the handler does not look", async () => {
      const { hang, gone } = hanging();
      await using all = await running(pair, { stopJob: (_, context) => hang(context) });
      const seen = await failureOf(all.connection.client(api.JobService).stopJob({}, { timeoutMs: 100 }));
      assert.equal(seen.code, "DEADLINE_EXCEEDED");
      assert.ok((await gone) instanceof SheafError);
    });

    it("tells the handler when the caller calls it off", async () => {
      const { hang, reached, gone } = hanging();
      await using all = await running(pair, { stopJob: (_, context) => hang(context) });
      const off = new AbortController();
      const call = failureOf(all.connection.client(api.JobService).stopJob({}, { signal: off.signal }));
      await reached;
      off.abort();
      assert.equal((await call).code, "CANCELLED");
      await gone;
    });

    it("gives headers and the time left to the handler", async () => {
      const seen = Promise.withResolvers<[string | undefined, number | undefined]>();
      await using all = await running(pair, {
        stopJob: async (_, context) => {
          seen.resolve([context.header("X-Sheaf-Test"), context.timeLeftMs()]);
          return {};
        },
      });
      await all.connection.client(api.JobService).stopJob({}, { headers: { "x-sheaf-test": "yes" }, timeoutMs: 5_000 });
      const [header, leftMs] = await seen.promise;
      assert.equal(header, "yes");
      assert.ok(leftMs !== undefined && leftMs > 1_000 && leftMs <= 5_000, String(leftMs));
    });

    it("streams answers in order", async () => {
      await using all = await running(pair, {
        async *watchJob() {
          for (let i = 0; i < 1_000; i++) yield { job: { id: String(i) } };
        },
      });
      const ids: string[] = [];
      for await (const { job } of all.connection.client(api.JobService).watchJob({})) ids.push(job?.id ?? "");
      assert.deepEqual(
        ids,
        Array.from({ length: 1_000 }, (_, i) => String(i)),
      );
    });

    it("ends a stream with the error of its handler, after the answers before it", async () => {
      await using all = await running(pair, {
        async *watchJob() {
          yield { job: { id: "1" } };
          throw unavailable("MOVED", "another replica owns it");
        },
      });
      const answers = all.connection.client(api.JobService).watchJob({})[Symbol.asyncIterator]();
      assert.equal((await answers.next()).value?.job?.id, "1");
      assert.equal((await failureOf(answers.next())).reason, "MOVED");
    });

    it("calls a stream off when its reader breaks out", async () => {
      const over = Promise.withResolvers<void>();
      await using all = await running(pair, {
        async *watchJob(_, { signal }) {
          signal.addEventListener("abort", () => over.resolve());
          for (;;) {
            yield {};
            await systemClock.sleep(1);
          }
        },
      });
      for await (const _ of all.connection.client(api.JobService).watchJob({})) break;
      await over.promise;
    });

    it("holds a stream back whose reader does not read", async () => {
      let made = 0;
      const description = "x".repeat(100_000);
      await using all = await running(pair, {
        async *watchJob() {
          for (; made < 10_000; made++) yield { job: { message: description } };
        },
      });
      const answers = all.connection.client(api.JobService).watchJob({})[Symbol.asyncIterator]();
      await answers.next();
      let before = -1;
      while (made !== before) {
        before = made;
        await systemClock.sleep(100);
      }
      assert.ok(made < 1_000, `${made} messages of 100 kB are under way`);
      await answers.return?.();
    });

    it("refuses a message above 4 MiB", async () => {
      await using all = await running(pair, { inspectJob: async () => ({}) });
      const seen = await failureOf(all.connection.client(api.JobService).inspectJob({ job: "x".repeat(5_000_000) }));
      assert.equal(seen.code, "RESOURCE_EXHAUSTED");
    });

    it("drains: watchers are told to call again, calls under way finish, new ones are refused", async () => {
      const answer = Promise.withResolvers<object>();
      const reached = Promise.withResolvers<void>();
      await using all = await running(pair, {
        stopJob: () => {
          reached.resolve();
          return answer.promise;
        },
        async *watchJob(_, { signal }) {
          yield {};
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      });
      const client = all.connection.client(api.JobService);
      const watch = client.watchJob({})[Symbol.asyncIterator]();
      await watch.next();
      const call = client.stopJob({});
      await reached.promise;
      const drained = all.server.drain(systemClock.now() + 10_000);
      assert.equal((await failureOf(watch.next())).code, "UNAVAILABLE");
      answer.resolve({});
      await call;
      await drained;
      const late = pair.connect(all.connection.address);
      assert.equal(
        (await failureOf(late.client(api.JobService).stopJob({}, { timeoutMs: 2_000 }))).code,
        "UNAVAILABLE",
      );
      late.close();
    });

    it("stops although a handler hangs, and its caller learns it", async () => {
      const { hang, reached } = hanging();
      await using all = await running(pair, { stopJob: (_, context) => hang(context) });
      const call = failureOf(all.connection.client(api.JobService).stopJob({}));
      await reached;
      await all.server.stop();
      assert.equal((await call).code, "UNAVAILABLE");
    });

    it("says which port is in use, and does not listen beyond this machine", async () => {
      await using all = await running(pair, {});
      const { port } = all.server.address;
      const second = (host: string) => pair.serve({ host, port, services: [], log: testLogger() });
      const taken = await failureOf(second("127.0.0.1").start());
      assert.deepEqual(
        [taken.code, taken.reason, taken.metadata.port],
        ["FAILED_PRECONDITION", "PORT_IN_USE", String(port)],
      );
      assert.equal((await failureOf(second("0.0.0.0").start())).reason, "LISTEN_NOT_LOOPBACK");
    });

    it("keeps the contract of components, under stress", async () => {
      const make = () => pair.serve({ host: "127.0.0.1", port: 0, services: [], log: testLogger() });
      await stressLifecycle(make, { rounds: 5 });
    });

    it("names the address when nobody is there, and what to check", async () => {
      const gone = await running(pair, {});
      await gone[Symbol.asyncDispose]();
      const connection = pair.connect(gone.connection.address);
      const seen = await failureOf(connection.client(api.JobService).stopJob({}));
      connection.close();
      assert.deepEqual([seen.code, seen.reason], ["UNAVAILABLE", "UNREACHABLE"]);
      assert.match(
        seen.message,
        new RegExp(`^cannot reach ${gone.connection.address} .*connection refused.*; check that`),
      );
    });
  });
}
