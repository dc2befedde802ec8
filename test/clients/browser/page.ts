// Runs in the browser: calls the cluster over gRPC-Web, with fetch, and tells the page's own server what it saw. Its address is in the page's.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import type { UniversalClientRequest } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-grpc-web";
import { api, googleRpc } from "@sheaf/proto";

/** One request of gRPC-Web as a browser can make it: its body at once, the answer's as it comes. */
async function send({ url, method, header, body, signal }: UniversalClientRequest) {
  const pieces: Uint8Array[] = [];
  for await (const piece of body ?? []) pieces.push(piece);
  const bytes = await new Blob(pieces as never[]).arrayBuffer();
  const response = await fetch(url, { method, headers: header, body: bytes, ...(signal && { signal }) });
  return { status: response.status, header: response.headers, body: read(response), trailer: new Headers() };
}

async function* read({ body }: Response): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** The types of this project are those of Node. */
const { location } = globalThis as unknown as { readonly location: { readonly search: string } };
const MAX = 4 * 1024 * 1024;
const baseUrl = new URLSearchParams(location.search).get("cluster") ?? "";
const transport = createTransport({
  ...{
    baseUrl,
    httpClient: send,
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
  },
  ...{ compressMinBytes: MAX, readMaxBytes: MAX, writeMaxBytes: MAX },
});

async function seen(): Promise<object> {
  const repos = createClient(api.RepoService, transport);
  const jobs = createClient(api.JobService, transport);
  const created = await repos.createRepo({ name: "from-a-page", description: "ü" });
  const states: number[] = [];
  for await (const { job } of jobs.watchJob({ pipeline: "words" })) states.push(job?.state ?? 0);
  const error = await repos.createRepo({ name: "A/B" }).then(undefined, (thrown: unknown) => ConnectError.from(thrown));
  const failed = error instanceof ConnectError ? error : undefined;
  return {
    description: created.repo?.description,
    states,
    code: Code[failed?.code ?? 0],
    reason: failed?.findDetails(googleRpc.ErrorInfoSchema)[0]?.reason,
    field: failed?.findDetails(googleRpc.BadRequestSchema)[0]?.fieldViolations[0]?.field,
    agent: navigator.userAgent,
  };
}

const result = await seen().catch((error: unknown) => ({ failure: String(error) }));
await fetch("/result", { method: "POST", body: JSON.stringify(result) });
