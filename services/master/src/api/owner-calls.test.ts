// Two masters' API servers on loopback, with handlers that say which of them answered.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { Replica } from "@sheaf/ledger";
import { api } from "@sheaf/proto";
import { type Connection, type Handlers, implement, publicConnection, type RpcServer, servePublic } from "@sheaf/rpc";
import { failedPrecondition, formatAddress, notFound, systemClock, testLogger } from "@sheaf/runtime";
import { OwnerCalls } from "./owner-calls.ts";
import { routed } from "./routes.ts";

const log = testLogger();

/** A master as far as calls are concerned: its server, and what it believes about owners. */
class Master {
  readonly id: string;
  readonly owners = new Map<string, Replica>();
  readonly calls: OwnerCalls;
  readonly server: RpcServer;
  readonly #listeners = new Set<() => void>();
  connection: Connection | undefined;
  answered = 0;
  /** Ends the watches that are served here. */
  finish: () => void = () => {};

  constructor(id: string) {
    this.id = id;
    this.calls = new OwnerCalls({
      tls: undefined,
      clock: systemClock,
      dispatcher: {
        replica: id,
        owner: (pipeline) => this.owners.get(pipeline),
        onOwners: (callback) => {
          this.#listeners.add(callback);
          return () => this.#listeners.delete(callback);
        },
      },
      exists: async (pipeline) => pipeline.startsWith("p"),
    });
    const pipelines: Handlers<typeof api.PipelineService> = {
      runPipeline: async ({ name }) => {
        this.answered++;
        if (name === "nothing") throw notFound("PIPELINE_NOT_FOUND", "there is none");
        if (name === "p-stopped") throw failedPrecondition("PIPELINE_STOPPED", "it is stopped");
        return { job: { id: this.id, pipeline: name } };
      },
    };
    const jobs: Handlers<typeof api.JobService> = {
      inspectJob: async ({ pipeline }) => ({ job: { id: this.id, pipeline } }),
      watchJob: (request, context) => this.#watch(request.pipeline, context.draining),
      listJobs: async () => ({
        jobs: ["p1", "p2", "p3"].map((pipeline) =>
          create(api.JobSchema, {
            ...{ pipeline, id: `job of ${pipeline}`, message: `as ${this.id} sees it` },
            state: pipeline === "p3" ? api.JobState.SUCCEEDED : api.JobState.PROCESSING,
          }),
        ),
      }),
    };
    const services = [implement(api.PipelineService, pipelines), implement(api.JobService, jobs)];
    this.server = servePublic({
      ...{ host: "127.0.0.1", port: 0, log },
      services: services.map((service) => routed(service, this.calls)),
    });
  }

  async *#watch(pipeline: string, draining: AbortSignal) {
    yield { job: { id: this.id, pipeline } };
    const over = Promise.withResolvers<void>();
    this.finish = over.resolve;
    draining.addEventListener("abort", () => over.reject(failedPrecondition("DRAINED", "told to end")), { once: true });
    await over.promise;
  }

  get replica(): Replica {
    return { id: this.id, dispatchAddress: "", apiAddress: formatAddress(this.server.address) };
  }

  believe(pipeline: string, owner: Replica | undefined): void {
    if (owner === undefined) this.owners.delete(pipeline);
    else this.owners.set(pipeline, owner);
    for (const listener of this.#listeners) listener();
  }

  async start(): Promise<void> {
    await this.server.start();
    this.connection = publicConnection(this.replica.apiAddress, { retryMs: 0 });
  }

  async stop(): Promise<void> {
    this.connection?.close();
    this.calls.close();
    await this.server.stop();
  }
}

describe("calls that need the owner", () => {
  const [a, b] = [new Master("a"), new Master("b")];
  const all = () => [a, b];
  before(() => Promise.all(all().map((each) => each.start())));
  after(() => Promise.all(all().map((each) => each.stop())));
  beforeEach(() => {
    for (const each of all()) each.owners.clear();
    a.answered = 0;
    b.answered = 0;
  });
  const pipelines = () => a.connection?.client(api.PipelineService) ?? assert.fail();
  const jobs = () => a.connection?.client(api.JobService) ?? assert.fail();
  const dead: Replica = { id: "c", dispatchAddress: "", apiAddress: "127.0.0.1:1" };

  it("are answered where they come in when this master is the owner", async () => {
    a.believe("p", a.replica);
    assert.equal((await pipelines().runPipeline({ name: "p" })).job?.id, "a");
  });

  it("are passed on to the owner, once, and its answer or its refusal is the answer", async () => {
    a.believe("p", b.replica);
    b.believe("p", a.replica); // it is just losing it: it answers, and does not send it back
    assert.equal((await pipelines().runPipeline({ name: "p" })).job?.id, "b");
    assert.equal((await jobs().inspectJob({ pipeline: "p" })).job?.id, "b");
    a.believe("p-stopped", b.replica);
    await assert.rejects(pipelines().runPipeline({ name: "p-stopped" }), {
      code: "FAILED_PRECONDITION",
      reason: "PIPELINE_STOPPED",
    });
    assert.deepEqual([a.answered, b.answered], [0, 2]);
  });

  it("that act wait for an owner to be there, and are told when there is none", async () => {
    const ran = pipelines().runPipeline({ name: "p" });
    setImmediate(() => a.believe("p", b.replica));
    assert.equal((await ran).job?.id, "b");
    const none = pipelines().runPipeline({ name: "p-new" }, { timeoutMs: 300 });
    await assert.rejects(none, ({ code }) => code === "UNAVAILABLE" || code === "DEADLINE_EXCEEDED");
    assert.equal(a.answered, 0);
  });

  it("for a pipeline that does not exist say so at once", async () => {
    await assert.rejects(pipelines().runPipeline({ name: "nothing" }), { reason: "PIPELINE_NOT_FOUND" });
  });

  it("that act are UNAVAILABLE with advice when the owner does not answer; those that look are answered here", async () => {
    a.believe("p", dead);
    await assert.rejects(pipelines().runPipeline({ name: "p" }), {
      code: "UNAVAILABLE",
      reason: "OWNER_AWAY",
      retryDelayMs: 1_000,
    });
    assert.equal(a.answered, 0);
    assert.equal((await jobs().inspectJob({ pipeline: "p" })).job?.id, "a");
  });

  it("that watch end with UNAVAILABLE when the pipeline changes hands", async () => {
    a.believe("p", b.replica);
    const watch = jobs().watchJob({ pipeline: "p" })[Symbol.asyncIterator]();
    assert.equal((await watch.next()).value?.job?.id, "b");
    a.believe("p", dead);
    await assert.rejects(watch.next(), { code: "UNAVAILABLE", reason: "OWNER_CHANGED" });
  });

  it("that watch here are told to end when another gets the pipeline, and not when this master does", async () => {
    const watch = jobs().watchJob({ pipeline: "p" })[Symbol.asyncIterator]();
    assert.equal((await watch.next()).value?.job?.id, "a");
    a.believe("p", a.replica);
    a.believe("p", b.replica);
    await assert.rejects(watch.next(), { reason: "DRAINED" });
  });

  it("that list take each living row from its owner; of one that does not answer, and of what is over, from here", async () => {
    a.believe("p1", b.replica);
    a.believe("p2", dead);
    a.believe("p3", b.replica);
    const { jobs: rows } = await jobs().listJobs({});
    assert.deepEqual(
      rows.map((row) => row.message),
      ["as b sees it", "as a sees it", "as a sees it"],
    );
  });
});
