/** Cases come as lines of JSON on standard input, answers go as lines of JSON to standard output; see ../README.md. */
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import { connect, enumWord, readSpec, type SheafClient } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { toSheafError } from "@sheaf/runtime";

/** A step; what an operation does not need is not there. */
interface Step {
  readonly id: number;
  readonly op: string;
  readonly address: string;
  readonly method: string;
  readonly request?: JsonValue;
  // biome-ignore lint/suspicious/noExplicitAny: what a case holds is its own business
  readonly [name: string]: any;
}

type Tell = (event: JsonValue) => void;
type Act = (client: SheafClient, step: Step, signal: AbortSignal, tell: Tell) => Promise<unknown>;

const clients = new Map<string, SheafClient>();
const running = new Map<number, AbortController>();
const say = (id: number, words: object) => process.stdout.write(`${JSON.stringify({ id, ...words })}\n`);

const schemaOf = (name: string) => (api as unknown as Record<string, DescMessage>)[`${name}Schema`] as DescMessage;
const stateOf = ({ state }: api.Job) => `JOB_STATE_${enumWord(api.JobStateSchema, state).toUpperCase()}`;
const list = async <T>(rows: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
};
const counts = (job: api.Job) => ({
  state: stateOf(job),
  total: Number(job.dataTotal),
  done: Number(job.dataProcessed),
  failed: Number(job.dataFailed),
});
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();

const call: Act = async (client, step, signal) => {
  const [service = "", method = ""] = step.method.split(".");
  const request = fromJson(schemaOf(`${method}Request`), step.request ?? {});
  const rpc = client.rpc as unknown as Record<string, Record<string, (...words: unknown[]) => Promise<object>>>;
  const answer = await rpc[service]?.[(method[0] ?? "").toLowerCase() + method.slice(1)]?.(request, { signal });
  const schema = schemaOf(`${method}Response`);
  return toJson(schema, answer as MessageShape<typeof schema>, { useProtoFieldName: true });
};

const DO: Record<string, Act> = {
  call,
  submit: async (client, step, signal) => (await client.submit(readSpec(step["file"]), { signal })).name,
  run: async (client, step) => (await client.run(step["pipeline"])).id,
  put: async (client, { repo, branch = "", folder, named, under = "/", request_id, progress }, signal, tell) => {
    if (named !== undefined) {
      const files = Object.entries<string>(named).map(([path, source]) => ({ path, source }));
      return { files: (await client.putFiles(repo, branch, files, { under, signal })).files };
    }
    const more = request_id === undefined ? {} : { requestId: request_id };
    const onProgress = () => progress && tell("sending");
    const done = await client.putFolder(repo, branch, folder, { under, signal, onProgress, ...more });
    const { files, bytes, skipped, commit } = done;
    return { files, bytes, links: skipped.links, commit: commit.id, in_commit: Number(commit.files) };
  },
  get: (client, { repo, ref, folder, file, path = "/" }, signal) =>
    file === undefined
      ? client.getFolder({ repo, ref }, folder, { path, signal })
      : client.getFile({ repo, ref }, path, file, { signal }),
  close: async (client) => {
    client.close();
    client.close();
    return true;
  },
  read: async (client, { repo, ref, path }, signal) => {
    const pieces = await list(client.readFile({ repo, ref }, path, { signal }));
    const bytes = Buffer.concat(pieces);
    return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  },
  watch: async (client, { pipeline, unreachable = 60 }, signal, tell) => {
    let last: api.Job | undefined;
    const options = { firstJobMs: 30_000, unreachableMs: unreachable * 1_000, signal };
    for await (last of client.watchJob(pipeline, options)) tell(stateOf(last));
    return last && counts(last);
  },
  wait: async (client, { pipeline, timeout }, signal) =>
    counts(await client.waitJob(pipeline, { timeoutMs: timeout * 1_000, firstJobMs: 30_000, signal })),
  follow: async (client, { pipeline, job }, signal, tell) => {
    let lines = 0;
    for await (const { text } of client.followLogs({ pipeline, job }, { signal })) {
      tell(textOf(text));
      lines++;
    }
    return lines;
  },
  datums: async (client, { pipeline }) =>
    (await list(client.datums({ pipeline }))).map(({ index, state, inputs }) => [
      Number(index),
      `DATUM_STATE_${enumWord(api.DatumStateSchema, state).toUpperCase()}`,
      ...inputs,
    ]),
  logs: async (client, { pipeline }) =>
    (await list(client.logs({ pipeline }))).map(({ datum, text }) => [Number(datum), textOf(text)]),
};

async function run(step: Step): Promise<void> {
  const off = new AbortController();
  running.set(step.id, off);
  try {
    const client = clients.get(step.address) ?? connect(step.address);
    clients.set(step.address, client);
    say(step.id, { ok: await DO[step.op]?.(client, step, off.signal, (event) => say(step.id, { event })) });
  } catch (thrown) {
    const { code, reason, details, message } = toSheafError(thrown);
    say(step.id, { error: { code, reason, fields: details.map(({ field }) => field), message } });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const step: Step = JSON.parse(line);
  if (step.op === "cancel") running.get(step["target"])?.abort();
  else void run(step);
}
for (const client of clients.values()) client.close();
