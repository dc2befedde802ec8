import assert from "node:assert/strict";
import { createServer } from "node:https";
import { after, beforeEach, describe, it } from "node:test";
import { Secret, systemClock, systemRandom } from "@sheaf/runtime";
import { issue, newAuthority } from "./authority.ts";
import { installSecrets } from "./install.ts";
import type { SecretObject } from "./secrets.ts";

const TOKEN = "the-account's-token";
const life = { now: systemClock.wall(), lifeMs: 3_600_000 };
const authority = await newAuthority("kubernetes", life);
const own = await issue(authority, { ...life, name: "api", hosts: ["127.0.0.1"] });

/** As much of Kubernetes as there is to it: Secrets by namespace and name, and an account that may create them and get one. */
const secrets = new Map<string, SecretObject>();
/** Answers to come before all others, and calls after which the connection breaks. */
let trouble: (number | "break")[] = [];
let allowed = true;

const api = createServer({ cert: own.certificate, key: own.key.reveal() }, async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  const answer = (status: number, body: object) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const status = (code: number, message: string) => answer(code, { kind: "Status", message });
  if (request.headers.authorization !== `Bearer ${TOKEN}`) return status(401, "Unauthorized");
  const next = trouble.shift();
  if (typeof next === "number") return status(next, "in trouble");
  const [, namespace, name] = /^\/api\/v1\/namespaces\/([\w-]+)\/secrets(?:\/([\w-]+))?$/.exec(request.url ?? "") ?? [];
  if (request.method === "GET" && name === "sheaf-authority") {
    const found = secrets.get(`${namespace}/${name}`);
    return found === undefined ? status(404, "not found") : answer(200, found);
  }
  if (request.method !== "POST" || !allowed) return status(403, 'secrets is forbidden: User "x" cannot create');
  const object = JSON.parse(text) as SecretObject;
  assert.equal(object.metadata.namespace, namespace);
  const key = `${namespace}/${object.metadata.name}`;
  if (secrets.has(key)) return status(409, "already exists");
  secrets.set(key, object);
  if (next === "break") return response.destroy();
  answer(201, object);
});
await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
after(() => api.close());
const at = api.address();
const url = `https://127.0.0.1:${at !== null && typeof at === "object" ? at.port : 0}`;

async function install(more: { token?: string; ca?: string } = {}): Promise<string[]> {
  const lines: string[] = [];
  await installSecrets({
    api: { url, token: new Secret(more.token ?? TOKEN), ca: more.ca ?? authority.certificate },
    ...{ cluster: "default", namespace: "sheaf", workerNamespace: "sheaf-workers" },
    clock: systemClock,
    random: systemRandom,
    say: (line) => lines.push(line),
  });
  return lines;
}

const content = (key: string, name: string) => Buffer.from(secrets.get(key)?.data[name] ?? "", "base64").toString();
const ALL = [
  "sheaf/sheaf-authority",
  "sheaf/sheaf-master",
  "sheaf/sheaf-merge",
  "sheaf-workers/sheaf-worker",
  "sheaf/sheaf-etcd",
  "sheaf/sheaf-ca",
  "sheaf/sheaf-s3",
  "sheaf/sheaf-token",
];

describe("certificates made in the cluster", () => {
  beforeEach(() => {
    secrets.clear();
    trouble = [];
    allowed = true;
  });

  it("makes every Secret, and a token that fits the master's file", async () => {
    const said = await install();
    assert.deepEqual([...secrets.keys()].sort(), [...ALL].sort());
    assert.match(content("sheaf/sheaf-master", "tokens"), /^admin admin never sha256:[0-9a-f]{64}\n$/);
    const token = content("sheaf/sheaf-token", "token");
    assert.match(token, /^sheaf_/);
    assert.ok(!said.join("\n").includes(token));
    assert.equal(content("sheaf/sheaf-token", "ca.crt"), content("sheaf-workers/sheaf-worker", "ca.crt"));
  });

  it("a second run changes nothing", async () => {
    await install();
    const before = new Map(secrets);
    await install();
    assert.deepEqual(secrets, before);
  });

  it("a run that ended in the middle is finished with the same authority, wherever it ended", async () => {
    for (let made = 1; made < ALL.length; made++) {
      secrets.clear();
      await install();
      for (const key of [...secrets.keys()].slice(made)) secrets.delete(key);
      const ca = content("sheaf/sheaf-authority", "ca.crt");
      await install();
      assert.equal(secrets.size, ALL.length);
      for (const key of ["sheaf/sheaf-master", "sheaf/sheaf-merge", "sheaf-workers/sheaf-worker"])
        assert.equal(content(key, "ca.crt"), ca);
    }
  });

  it("two at once make one set", async () => {
    await Promise.all([install(), install(), install()]);
    const ca = content("sheaf/sheaf-authority", "ca.crt");
    for (const key of ALL.slice(1, 4)) assert.equal(content(key, "ca.crt"), ca);
  });

  it("an API that is away for a moment, or breaks off after it did what was asked, is called again", async () => {
    trouble = [503, 429, 500, "break"];
    await install();
    assert.equal(secrets.size, ALL.length);
  });

  it("says what it was refused, and shows no token", async () => {
    allowed = false;
    await assert.rejects(install(), {
      reason: "KUBERNETES_REFUSED",
      message: /create the secret sheaf\/sheaf-authority \(HTTP 403\): secrets is forbidden/,
    });
    allowed = true;
    await assert.rejects(
      install({ token: "wrong" }),
      (error: Error) => /HTTP 401/.test(error.message) && !error.message.includes("wrong"),
    );
    assert.equal(secrets.size, 0);
  });
});
