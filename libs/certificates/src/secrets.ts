/** A bundle as Secrets of Kubernetes, each with what one kind of pod may have. The names stand in the manifests as well. */
import { Secret } from "@sheaf/runtime";
import type { Files } from "./bundle.ts";

export interface SecretsOptions {
  /** Of the services. */
  readonly namespace: string;
  readonly workerNamespace: string;
  /** Lines of the file of tokens, for masters. */
  readonly tokens?: string;
  /** The file of credentials for the object store (AWS's shared format), for all services. */
  readonly credentials?: Secret<string>;
  /** The authorities of the object store's own certificate, for all services. */
  readonly storeCa?: string;
}

/** As the API of Kubernetes takes it. */
export interface SecretObject {
  readonly apiVersion: "v1";
  readonly kind: "Secret";
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly type: "Opaque";
  /** Base64. */
  readonly data: Readonly<Record<string, string>>;
}

type Contents = Readonly<Record<string, Secret<string> | undefined>>;

/** Everything together, authorities' keys too: what a later renewal begins with. No pod needs it. */
export const AUTHORITY_SECRET = "sheaf-authority";

export function secretsOf(files: Files, options: SecretsOptions): Secret<SecretObject>[] {
  const { namespace, workerNamespace, tokens, credentials, storeCa } = options;
  const of = (role: string): Contents => ({
    "tls.crt": files.get(`${role}.crt`),
    "tls.key": files.get(`${role}.key`),
    "ca.crt": files.get("ca.crt"),
    credentials,
    "store-ca.crt": storeCa === undefined ? undefined : new Secret(storeCa),
  });
  const etcdClient: Contents = {
    "etcd.crt": files.get("etcd-client.crt"),
    "etcd.key": files.get("etcd-client.key"),
    "etcd-ca.crt": files.get("etcd-ca.crt"),
  };
  const given = tokens === undefined ? undefined : new Secret(tokens);
  return [
    secret("sheaf-master", namespace, { ...of("master"), ...etcdClient, tokens: given }),
    secret("sheaf-merge", namespace, { ...of("merge"), ...etcdClient }),
    secret("sheaf-worker", workerNamespace, of("worker")),
    secret("sheaf-etcd", namespace, {
      "tls.crt": files.get("etcd.crt"),
      "tls.key": files.get("etcd.key"),
      "ca.crt": files.get("etcd-ca.crt"),
    }),
    secret("sheaf-ca", namespace, { "ca.crt": files.get("ca.crt") }),
  ];
}

export function secret(name: string, namespace: string, contents: Contents): Secret<SecretObject> {
  const data: Record<string, string> = {};
  for (const [key, value] of Object.entries(contents)) {
    if (value !== undefined) data[key] = Buffer.from(value.reveal()).toString("base64");
  }
  return new Secret({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, type: "Opaque", data });
}

/** Names that services and etcd are reached by in a cluster of Kubernetes. */
export function kubernetesHosts(namespace: string): { hosts: string[]; etcdHosts: string[] } {
  const under = (name: string) => [
    name,
    `${name}.${namespace}`,
    `${name}.${namespace}.svc`,
    `${name}.${namespace}.svc.cluster.local`,
  ];
  const etcd = ["etcd", "sheaf-etcd"].flatMap(under);
  return { hosts: ["sheaf", "sheaf-master"].flatMap(under), etcdHosts: [...etcd, ...etcd.map((name) => `*.${name}`)] };
}
