// The three stages of a worker side by side: an engine on this thread, and a store behind a link so slow that the download, the command
// and the upload of a datum take about as long. Prints {"seconds", "stages"} as JSON. `node overlap.bench.ts [datums]`

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { datumId, fileEntry, objectOf, openRun, PackWriter, PlanWriter, readRunRows, workId } from "@sheaf/files";
import { api, store } from "@sheaf/proto";
import { systemClock, testLogger } from "@sheaf/runtime";
import { openStore, type Store } from "@sheaf/storage";
import { startEngine } from "./engine/assemble.ts";
import type { FromEngine } from "./engine/messages.ts";
import { inputOf, JOB, specOf, workOf } from "./testing/job-kit.ts";

const DATUM_BYTES = 1024 * 1024;
const STAGE_MS = 80;
const datums = Number(process.argv[2] ?? 300);

/** One direction of a link: bytes pass one after another. */
class Link {
  #free = Promise.resolve();
  #ms = 0;

  get ms(): number {
    return this.#ms;
  }

  pass(bytes: number): Promise<void> {
    const ms = (bytes / DATUM_BYTES) * STAGE_MS;
    this.#ms += ms;
    this.#free = this.#free.then(() => systemClock.sleep(ms));
    return this.#free;
  }
}

const [down, up] = [new Link(), new Link()];

/** Only packs are slow: plans and runs are not what is measured. */
function slowed(source: Store): Store {
  const isPack = (key: string) => key.startsWith("packs/");
  return {
    ...{ url: source.url, near: false, stream: source.stream.bind(source), head: source.head.bind(source) },
    ...{ list: source.list.bind(source), delete: source.delete.bind(source), localPath: () => null },
    close: () => source.close(),
    put: async (key, pieces) => {
      if (isPack(key)) await up.pass((pieces as readonly Uint8Array[]).reduce((sum, piece) => sum + piece.length, 0));
      return source.put(key, pieces);
    },
    get: async (key, range) => {
      const bytes = await (range === undefined ? source.get(key) : source.get(key, range));
      if (isPack(key)) await down.pass(bytes.length);
      return bytes;
    },
  };
}

/** The store with the job's plan in it. */
async function planIn(target: Store): Promise<store.ObjectRef> {
  const packs = new PackWriter(target);
  const plan = new PlanWriter(target);
  const spec = specOf({ cmd: ["sh", "-c", `cp "$SHEAF_INPUT" "$SHEAF_OUT"; sleep ${STAGE_MS / 1_000}`] });
  const work = workId("edges", create(api.PipelineSpecSchema, spec));
  for (let i = 0; i < datums; i++) {
    const file = fileEntry(`/f${String(i).padStart(5, "0")}`, packs.add(Buffer.alloc(DATUM_BYTES, i)));
    const inputs = [create(store.DatumInputSchema, { name: "in", path: file.path, files: [file] })];
    await packs.ready();
    await plan.add(create(store.DatumSchema, { id: datumId(work, inputs), inputs }));
  }
  await packs.close();
  const { ref } = await plan.finish({ job: JOB, attempt: "a", worker: "w" });
  return workOf(target, spec, { inputs: inputOf(undefined), plan: objectOf(ref) });
}

/** Runs the job as its only worker; the rows of its datums. */
async function run(target: Store, scratch: string, input: store.ObjectRef): Promise<store.DatumRow[]> {
  const over = Promise.withResolvers<void>();
  const runs: store.TableRef[] = [];
  let done = 0;
  const send = (message: FromEngine) => {
    if (message.t === "failed") over.reject(new Error(message.message));
    if (message.t !== "say" || message.saying.case !== "commit") return;
    const { claim, from, to, result } = message.saying.value;
    const interval = { from: Number(from), to: Number(to) };
    runs.push(result as store.TableRef);
    setImmediate(() => engine.handle({ t: "committed", claim, interval }));
    done += interval.to - interval.from;
    if (done === datums) over.resolve();
  };
  const [slots, batches] = [join(scratch, "slots"), join(scratch, "batches")];
  const folders = { scratch, shared: scratch, slots, batches, own: [] };
  const data = { worker: "w", store: target.url, folders, userVolume: undefined, slots: 1, graceMs: 1_000 };
  const parts = { clock: systemClock, log: testLogger(), env: process.env, send };
  const { engine, close } = await startEngine(data, slowed(target), parts);
  const claim = { owner: "master", id: "c", fence: 1n, job: JOB, kind: "process", from: 0, to: datums } as const;
  engine.handle({ t: "assign", claim: { ...claim, input, prior: new Map(), isRace: false } });
  await over.promise;
  const rows: store.DatumRow[] = [];
  for (const ref of runs) for await (const row of readRunRows(await openRun(target, ref))) rows.push(row);
  close();
  return rows;
}

const dir = mkdtempSync(join(tmpdir(), "sheaf-overlap-"));
try {
  const target = await openStore(pathToFileURL(join(dir, "store")).href);
  const input = await planIn(target);
  const began = systemClock.now();
  const rows = await run(target, join(dir, "scratch"), input);
  const seconds = (systemClock.now() - began) / 1_000;
  const processMs = rows.reduce((sum, { stats }) => sum + (stats?.processTime ? durationMs(stats.processTime) : 0), 0);
  const stages = [down.ms, processMs, up.ms].map((ms) => ms / 1_000);
  console.log(JSON.stringify({ seconds, stages, rssMb: Math.round(process.resourceUsage().maxRSS / 1_024) }));
} finally {
  rmSync(dir, { recursive: true });
}
process.exit();
