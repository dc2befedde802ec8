// Runs in the browser: calls the cluster with the client of this project, and tells the page's own server what it saw. The cluster's address
// is in the page's.

import { connect, enumWord, parseSpec } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { SheafError } from "@sheaf/runtime";

const given = new URLSearchParams(location.search);
const address = given.get("cluster") ?? "";
const token = given.get("token") ?? "";
const client = connect(address, { token });
/** Has something done outside. */
const have = (deed: string, text = "") => fetch(`/do/${deed}`, { method: "POST", body: text });

const WORDS = `
pipeline: { name: words }
input: { pfs: { repo: in, glob: "/*" } }
transform:
  cmd: [sh]
  stdin:
    - basename "$SHEAF_INPUT"; while [ ! -e "$GO" ]; do sleep 0.05; done
    - awk '{print $1 "\\t1"}' "$SHEAF_INPUT" > "$SHEAF_OUT/words"
merge: { strategy: sum }
`;

async function failure(promise: Promise<unknown>): Promise<object> {
  const thrown = await promise.then(
    () => "nothing",
    (error: unknown) => error,
  );
  if (!(thrown instanceof SheafError)) return { thrown: String(thrown) };
  const { code, reason, details } = thrown;
  return { code, reason, fields: details.map(({ field }) => field) };
}

async function textOf(repo: string, path: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of client.readFile({ repo }, path)) text += decoder.decode(piece, { stream: true });
  return text;
}

async function* nothing() {}

/** Watches the job through a time in which nobody can be reached. Its commands wait until the watch has gone on after it. */
async function watched(): Promise<object> {
  const broken: string[] = [];
  const states: string[] = [];
  let wentOn = false;
  const onBroken = async ({ code, reason }: SheafError) => {
    if (broken.push(`${code} ${reason}`) === 1) await have("mend");
  };
  for await (const { state } of client.watchJob("words", { firstJobMs: 10_000, onBroken })) {
    states.push(enumWord(api.JobStateSchema, state));
    if (states.length === 1) await have("refuse");
    if (broken.length > 0 && !wentOn) {
      wentOn = true;
      await have("go");
    }
  }
  return { broken: [...new Set(broken)], wentOn, end: states.at(-1) };
}

async function logged(): Promise<string[]> {
  const job = await firstJob();
  const lines: string[] = [];
  for await (const { text } of client.followLogs({ pipeline: "words", job }))
    lines.push(new TextDecoder().decode(text).trim());
  return lines.sort();
}

async function firstJob(): Promise<string> {
  for await (const { id } of client.watchJob("words", { firstJobMs: 10_000 })) return id;
  throw new Error("no job");
}

/** The datums page by page, two at a time, and all of them as a list. */
async function listed(): Promise<object> {
  const pages: number[] = [];
  for (let token = ""; ; ) {
    const { datums, nextPageToken } = await client.rpc.datum.listDatums({
      pipeline: "words",
      page: { size: 2, token },
    });
    pages.push(datums.length);
    token = nextPageToken;
    if (token === "") break;
  }
  const rows: string[] = [];
  for await (const { state } of client.datums({ pipeline: "words" })) rows.push(enumWord(api.DatumStateSchema, state));
  return { pages, rows };
}

async function calledOff(): Promise<object> {
  const off = new AbortController();
  const follow = async () => {
    for await (const _ of client.watchCommits("in", undefined, { signal: off.signal })) off.abort();
  };
  return failure(follow());
}

/** More streams than a browser opens connections to a host, and a call beside them: over HTTP/2 none waits for another. */
async function together(count: number): Promise<number> {
  const off = new AbortController();
  const streams = Array.from({ length: count }, () => client.watchCommits("in", undefined, { signal: off.signal }));
  const firsts = await Promise.all(streams.map((stream) => stream.next()));
  await client.rpc.repo.inspectRepo({ name: "in" });
  off.abort();
  return firsts.filter(({ value }) => value?.commit !== undefined).length;
}

async function seen(): Promise<object> {
  const created = await client.rpc.repo.createRepo({ name: "from-a-page", description: "ü" });
  const refused = await failure(client.rpc.repo.createRepo({ name: "A/B" }));
  const upload = await failure(client.rpc.file.modifyFiles(nothing()));
  const spec = parseSpec(WORDS, "words.yaml");
  if (spec.transform !== undefined) spec.transform.env = { GO: given.get("go") ?? "" };
  await client.submit(spec);
  const [job, lines] = await Promise.all([watched(), logged()]);
  const big = await textOf("in", "/big");
  const path = "/libs/client/samples/browser.ts";
  const { newStatusCodes } = (await import(path)) as typeof import("../../../libs/client/samples/browser.ts");
  const said: string[] = [];
  return {
    description: created.repo?.description,
    ...{ refused, upload, job, lines },
    datums: await listed(),
    words: await textOf("words", "/words"),
    big: { length: big.length, isWhole: /^(big\n)+$/.test(big) },
    calledOff: await calledOff(),
    sample: await newStatusCodes(address, token, (word) => said.push(word)),
    said: said.at(-1),
    together: address.startsWith("https:") ? await together(8) : null,
    agent: navigator.userAgent,
  };
}

const result = await seen().catch((error: unknown) => ({ failure: String(error) }));
await have("tell", JSON.stringify(result));
