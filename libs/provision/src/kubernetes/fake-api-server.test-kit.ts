/** An API server of a few objects in memory, for faults alone: what is right is tested against a real one (test/kubernetes). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { KubeConfig } from "@kubernetes/client-node";
import { systemClock } from "@sheaf/runtime";

interface Meta {
  name: string;
  uid: string;
  resourceVersion: string;
  labels: Record<string, string>;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
}
export interface FakePod {
  metadata: Meta;
  spec?: { nodeName?: string };
  status?: object;
}

/** What is done with one request instead of answering it; the request has then not been looked at, unless it says so. */
export type Fault =
  | { readonly kind: "status"; readonly code: number; readonly body?: string; readonly retryAfter?: number }
  /** It is carried out, and its answer is lost. */
  | { readonly kind: "lose" }
  /** It takes so long before anything is done. */
  | { readonly kind: "slow"; readonly ms: number };

export class FakeApiServer {
  readonly pods = new Map<string, FakePod>();
  readonly #server: Server;
  readonly #watches = new Set<ServerResponse>();
  /** What watches were told, by version. */
  readonly #events: { readonly version: number; readonly text: string }[] = [];
  #version = 1;
  requests: string[] = [];
  /** Chooses the fault of a request, "GET /api/v1/nodes?..."; undefined: none. */
  fault: (request: string) => Fault | undefined = () => undefined;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<FakeApiServer> {
    const fake = new FakeApiServer();
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async config(): Promise<KubeConfig> {
    const address = this.#server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const config = new KubeConfig();
    const cluster = { name: "fake", server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
    config.loadFromClusterAndUser(cluster, { name: "nobody" });
    return config;
  }

  /** Watches that are open. */
  get watches(): number {
    return this.#watches.size;
  }

  /** A status from now on. */
  say(name: string, status: object): void {
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    pod.status = status;
    this.#tell("MODIFIED", pod);
  }

  remove(name: string): void {
    const pod = this.pods.get(name);
    if (!this.pods.delete(name) || pod === undefined) return;
    this.#tell("DELETED", pod);
  }

  /** To all who watch, as it is. */
  shout(text: string): void {
    for (const watch of this.#watches) watch.write(text);
  }

  /** All watches break. */
  cut(): void {
    for (const watch of this.#watches) watch.destroy();
    this.#watches.clear();
  }

  #tell(type: string, pod: FakePod): void {
    pod.metadata.resourceVersion = String(++this.#version);
    const text = `${JSON.stringify({ type, object: pod })}\n`;
    this.#events.push({ version: this.#version, text });
    this.shout(text);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = `${request.method} ${request.url}`;
    this.requests.push(text);
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const fault = this.fault(text);
    if (fault?.kind === "slow") await systemClock.sleep(fault.ms);
    if (fault?.kind === "status") {
      const headers = fault.retryAfter === undefined ? {} : { "retry-after": String(fault.retryAfter) };
      response.writeHead(fault.code, headers).end(fault.body ?? "{}");
      return;
    }
    const url = new URL(request.url ?? "", "http://fake");
    const body: unknown = parts.length === 0 ? undefined : JSON.parse(Buffer.concat(parts).toString());
    if (url.searchParams.get("watch") === "true") {
      response.writeHead(200).flushHeaders();
      if (url.pathname.endsWith("/pods")) {
        const from = Number(url.searchParams.get("resourceVersion"));
        for (const { version, text } of this.#events) if (version > from) response.write(text);
      }
      this.#watches.add(response);
      response.once("close", () => this.#watches.delete(response));
      return;
    }
    const [code, object] = this.#do(request.method ?? "", url.pathname, body);
    if (fault?.kind === "lose") response.destroy();
    else response.writeHead(code).end(JSON.stringify(object));
  }

  #do(method: string, path: string, body: unknown): readonly [number, object] {
    if (path.includes("/configmaps/")) return [200, { metadata: { uid: "uid-1" } }];
    const metadata = { resourceVersion: String(this.#version) };
    if (path === "/api/v1/nodes") return [200, { metadata, items: [] }];
    const name = /\/pods\/(.+)$/.exec(path)?.[1];
    if (method === "GET") return [200, { metadata, items: [...this.pods.values()] }];
    if (method === "POST") {
      const pod = body as FakePod;
      if (this.pods.has(pod.metadata.name)) return [409, { reason: "AlreadyExists" }];
      this.pods.set(pod.metadata.name, pod);
      this.#tell("ADDED", pod);
      return [201, pod];
    }
    if (name === undefined || !this.pods.has(name)) return [404, { reason: "NotFound" }];
    this.remove(name);
    return [200, {}];
  }
}
