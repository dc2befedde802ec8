/**
 * Makes the Secrets of a cluster in the cluster itself, once: what a Job runs when everything is installed with one command. Its account
 * needs to create Secrets in both namespaces, and to get the one named sheaf-authority.
 *
 * K1. The first Secret is the bundle as a whole. Who finds it there takes what is in it: so all others fit together, also when an
 *     earlier run ended in the middle, or two run at once.
 * K2. What is there is never changed.
 */
import { request } from "node:https";
import { formatLine, newToken } from "@sheaf/identity";
import { type Clock, failedPrecondition, type Random, retry, Secret, unavailable } from "@sheaf/runtime";
import { type Files, newBundle } from "./bundle.ts";
import { AUTHORITY_SECRET, kubernetesHosts, type SecretObject, secret, secretsOf } from "./secrets.ts";

export interface KubernetesApi {
  /** "https://kubernetes.default.svc". */
  readonly url: string;
  readonly token: Secret<string>;
  /** PEM. */
  readonly ca: string;
}

export interface InstallOptions {
  readonly api: KubernetesApi;
  readonly cluster: string;
  readonly namespace: string;
  readonly workerNamespace: string;
  /** Of the object store. Default: keys for a store of the cluster's own are made, and put into the Secret sheaf-s3 as well. */
  readonly credentials?: Secret<string>;
  readonly clock: Clock;
  readonly random: Random;
  /** Tells what was done, a line each; no secret. */
  readonly say: (line: string) => void;
}

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const CALL_MS = 10_000;
/** The API may be away for a moment while a cluster comes up. */
const TRY_MS = 120_000;
/** The token of whoever installed: `kubectl get secret sheaf-token`. */
const TOKEN_SECRET = "sheaf-token";
/** What the store of the overlay `try` takes its keys from. */
const STORE_SECRET = "sheaf-s3";
const [ACCESS_KEY, SECRET_KEY] = ["s3-access-key", "s3-secret-key"] as const;

export async function installSecrets(options: InstallOptions): Promise<void> {
  const files = await sharedFiles(options);
  const { namespace, say } = options;
  const tokens = files.get("tokens")?.reveal() ?? "";
  const keys = { "access-key": files.get(ACCESS_KEY), "secret-key": files.get(SECRET_KEY) };
  const own = options.credentials === undefined ? [secret(STORE_SECRET, namespace, keys)] : [];
  const token = secret(TOKEN_SECRET, namespace, { token: files.get("token"), "ca.crt": files.get("ca.crt") });
  const credentials = options.credentials ?? credentialsOf(files);
  for (const each of [...secretsOf(files, { ...options, tokens, credentials }), ...own, token]) {
    const { name, namespace: where } = each.reveal().metadata;
    const made = await create(each, options);
    say(`secret ${where}/${name} ${made ? "created" : "is there already, and stays as it is"}`);
  }
}

/** K1. */
async function sharedFiles(options: InstallOptions): Promise<Files> {
  const { cluster, namespace, clock, random, say } = options;
  const bundle = await newBundle({ cluster, now: clock.wall(), ...kubernetesHosts(namespace) });
  const { token, line } = newToken({ name: "admin", role: "admin", expires: Number.POSITIVE_INFINITY }, random);
  const files = new Map([
    ...bundle,
    ["token", token] as const,
    ["tokens", new Secret(`${formatLine(line)}\n`)] as const,
    [ACCESS_KEY, new Secret(hex(random, 10))] as const,
    [SECRET_KEY, new Secret(hex(random, 32))] as const,
  ]);
  if (await create(secret(AUTHORITY_SECRET, namespace, Object.fromEntries(files)), options)) {
    say(`secret ${namespace}/${AUTHORITY_SECRET} created`);
    return files;
  }
  say(`secret ${namespace}/${AUTHORITY_SECRET} is there already: what is missing is made from it`);
  const { status, body } = await call(options, "GET", `${pathOf(namespace)}/${AUTHORITY_SECRET}`);
  if (status !== 200) throw refused(status, `get the secret ${namespace}/${AUTHORITY_SECRET}`, body);
  const { data = {} } = JSON.parse(body.reveal()) as Partial<SecretObject>;
  return new Map(
    Object.entries(data).map(([name, value]) => [name, new Secret(Buffer.from(value, "base64").toString("utf8"))]),
  );
}

/** AWS's shared format. */
function credentialsOf(files: Files): Secret<string> {
  const value = (name: string) => files.get(name)?.reveal() ?? "";
  return new Secret(
    `[default]\naws_access_key_id = ${value(ACCESS_KEY)}\naws_secret_access_key = ${value(SECRET_KEY)}\n`,
  );
}

function hex(random: Random, bytes: number): string {
  return Buffer.from(random.bytes(bytes)).toString("hex");
}

/** False: there is one with that name (K2). */
async function create(object: Secret<SecretObject>, options: InstallOptions): Promise<boolean> {
  const { name, namespace } = object.reveal().metadata;
  const { status, body } = await call(options, "POST", pathOf(namespace), object);
  if (status === 409) return false;
  if (status === 201) return true;
  throw refused(status, `create the secret ${namespace}/${name}`, body);
}

function pathOf(namespace: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`;
}

interface Answer {
  readonly status: number;
  readonly body: Secret<string>;
}

function call(
  { api, clock }: InstallOptions,
  method: string,
  path: string,
  object?: Secret<SecretObject>,
): Promise<Answer> {
  const once = async () => {
    const answer = await send(api, method, path, object);
    if (answer.status === 429 || answer.status >= 500)
      throw unavailable("KUBERNETES_BUSY", `it answered ${answer.status}`);
    return answer;
  };
  return retry(once, { transient: () => true, deadlineMs: TRY_MS, clock });
}

/** Not by fetch: that takes no authority of one's own. */
function send(
  { url, token, ca }: KubernetesApi,
  method: string,
  path: string,
  object?: Secret<SecretObject>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token.reveal()}`, "content-type": "application/json" };
    const sent = request(new URL(path, url), { method, headers, ca, timeout: CALL_MS }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > ANSWER_BYTES_MAX) answer.destroy(new Error("the answer is too long"));
      });
      answer.on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: new Secret(text) }));
    });
    const fail = (error: Error) =>
      reject(
        unavailable("KUBERNETES_AWAY", `cannot reach the API of Kubernetes at ${url}: ${error.message}`, {
          cause: error,
        }),
      );
    sent.on("error", fail);
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${CALL_MS / 1_000} s`)));
    sent.end(object === undefined ? undefined : JSON.stringify(object.reveal()));
  });
}

/** Kubernetes says why in `message`; of an answer that is no such message nothing is shown. */
function refused(status: number, what: string, body: Secret<string>) {
  let why = "";
  try {
    const { kind, message } = JSON.parse(body.reveal()) as { readonly kind?: string; readonly message?: string };
    if (kind === "Status" && typeof message === "string") why = `: ${message}`;
  } catch {
    // no JSON
  }
  return failedPrecondition("KUBERNETES_REFUSED", `cannot ${what} (HTTP ${status})${why}`);
}
