/** `sheaf certificates`. */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type BundleOptions,
  CERTIFICATE_DAYS,
  clusterOf,
  type Files,
  installSecrets,
  kubernetesHosts,
  newBundle,
  readFolder,
  renewedBundle,
  type SecretsOptions,
  secretsOf,
  writeFolder,
} from "@sheaf/certificates";
import { failedPrecondition, invalidArgument, messageOf, Secret } from "@sheaf/runtime";
import type { Command } from "commander";
import { stringify } from "yaml";
import { action, type Call, leaf, wholeNumber } from "../action.ts";
import type { Session } from "../session.ts";
import { hostNames, label } from "./certificate-names.ts";

const DAYS_MAX = 1_825;
/** Where Kubernetes puts what a pod needs to call its API. */
const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

interface Flags {
  readonly cluster?: string;
  readonly host?: readonly string[];
  readonly etcdHost?: readonly string[];
  readonly days?: number;
  readonly renew?: true;
  readonly kubernetesSecrets?: string;
  readonly installKubernetes?: true;
  readonly workerNamespace: string;
  readonly tokens?: string;
  readonly credentials?: string;
  readonly storeCa?: string;
  readonly kubernetesApi: string;
  readonly kubernetesAccount: string;
}

export function defineCertificates(program: Command, session: Session): void {
  leaf(program, {
    usage: "certificates [dir]",
    isLocal: true,
    summary:
      "Makes the certificates of a cluster: an authority for services, one for etcd, and a certificate for each.",
    examples: [
      "sheaf certificates ./certificates --host sheaf.example.com",
      "sheaf certificates ./certificates --renew",
      "sheaf certificates ./certificates --kubernetes-secrets sheaf | kubectl apply -f -",
    ],
  })
    .option("--cluster <name>", "name of the cluster (default: default)", label)
    .option("--host <host...>", "name or address by which users reach masters, besides this machine's own", hostNames)
    .option("--etcd-host <host...>", "name or address of etcd, besides this machine's own", hostNames)
    .option("--days <n>", `how long certificates hold (default: ${CERTIFICATE_DAYS})`, wholeNumber(1, DAYS_MAX))
    .option("--renew", "makes new certificates and keys with the authorities that are there")
    .option(
      "--kubernetes-secrets <namespace>",
      "prints Secrets for services there; made first where there are none",
      label,
    )
    .option("--worker-namespace <namespace>", "namespace of the workers' pods", label, "sheaf-workers")
    .option("--tokens <file>", "the file of tokens, for the Secret of masters")
    .option("--credentials <file>", "the object store's credentials, for the Secrets of all services")
    .option("--store-ca <file>", "the authorities of the object store's own certificate, for the same Secrets")
    .option(
      "--install-kubernetes",
      "in a pod: makes the Secrets, and a token for the administrator, where there are none",
    )
    .option("--kubernetes-api <url>", "where that API is", "https://kubernetes.default.svc")
    .option("--kubernetes-account <dir>", "the pod's account", ACCOUNT)
    .action(action<Flags, [string | undefined]>(session, certificates));
}

async function certificates(call: Call, flags: Flags, dir: string | undefined): Promise<void> {
  if (flags.installKubernetes) return install(call, flags);
  if (dir === undefined)
    throw invalidArgument("DIR_MISSING", "say in which folder the certificates are to be: sheaf certificates DIR");
  const { host } = call;
  const folder = resolve(host.cwd, dir);
  const there = await readFolder(folder);
  const toPrint = flags.kubernetesSecrets !== undefined;
  const keeps = there.size > 0 && flags.renew !== true;
  if (keeps && !toPrint) {
    throw failedPrecondition(
      "CERTIFICATES_EXIST",
      `${dir} has certificates: give --renew for new ones of the same authorities, or another folder`,
    );
  }
  const given = await readGiven(flags, call);
  const files = keeps ? there : await make(there, flags, host.clock.wall());
  if (!keeps) await writeFolder(folder, files);
  if (!keeps)
    host.stderr.write(
      `${[...files.keys()].join(", ")} are in ${dir}; ca.key and etcd-ca.key belong where no service runs\n`,
    );
  if (toPrint) host.stdout.write(manifests(files, given, flags));
}

function make(there: Files, flags: Flags, now: number): Promise<Files> {
  const { days, kubernetesSecrets: namespace } = flags;
  const known = namespace === undefined ? { hosts: [], etcdHosts: [] } : kubernetesHosts(namespace);
  const options: BundleOptions = {
    cluster: flags.cluster ?? clusterOf(there) ?? "default",
    now,
    ...(days === undefined ? {} : { days }),
    hosts: [...known.hosts, ...(flags.host ?? [])],
    etcdHosts: [...known.etcdHosts, ...(flags.etcdHost ?? [])],
  };
  return flags.renew ? renewedBundle(there, options) : newBundle(options);
}

type Given = Pick<SecretsOptions, "tokens" | "credentials" | "storeCa">;

/** What flags name, read before anything is made. */
async function readGiven({ tokens, credentials, storeCa }: Flags, { host }: Call): Promise<Given> {
  const read = (flag: string, file: string) =>
    readFile(resolve(host.cwd, file), "utf8").catch((error: unknown) => {
      throw failedPrecondition("FILE_UNREADABLE", `cannot read what ${flag} names: ${messageOf(error)}`);
    });
  return {
    ...(tokens === undefined ? {} : { tokens: await read("--tokens", tokens) }),
    ...(credentials === undefined ? {} : { credentials: new Secret(await read("--credentials", credentials)) }),
    ...(storeCa === undefined ? {} : { storeCa: await read("--store-ca", storeCa) }),
  };
}

/** Several documents of YAML, for `kubectl apply -f -`. */
function manifests(files: Files, given: Given, { kubernetesSecrets: namespace = "", workerNamespace }: Flags): string {
  const secrets = secretsOf(files, { namespace, workerNamespace, ...given });
  return secrets.map((each) => stringify(each.reveal())).join("---\n");
}

async function install(call: Call, flags: Flags): Promise<void> {
  const { host } = call;
  const account = (name: string) =>
    readFile(join(flags.kubernetesAccount, name), "utf8").catch((error: unknown) => {
      const text = `--install-kubernetes works in a pod only, with the account that Kubernetes gives it there: ${messageOf(error)}`;
      throw failedPrecondition("NOT_IN_A_POD", text);
    });
  const { workerNamespace, cluster = "default" } = flags;
  const { credentials } = await readGiven(flags, call);
  await installSecrets({
    api: { url: flags.kubernetesApi, token: new Secret((await account("token")).trim()), ca: await account("ca.crt") },
    cluster,
    namespace: (await account("namespace")).trim(),
    workerNamespace,
    ...(credentials && { credentials }),
    clock: host.clock,
    random: host.random,
    say: (line) => host.stdout.write(`${line}\n`),
  });
}
