/**
 * All that a cluster needs, as files by name. Two authorities: whoever has a certificate of the first may speak to services; etcd takes clients
 * of the second only, so that a worker's certificate opens nothing there.
 */
import { X509Certificate } from "node:crypto";
import { type Peer, peerOf, peerUri } from "@sheaf/identity";
import { failedPrecondition, Secret } from "@sheaf/runtime";
import { issue, type KeyPair, newAuthority } from "./authority.ts";

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 1825;
/** An authority with less left is not worth a renewal. */
const AUTHORITY_DAYS_LEFT_MIN = 30;
export const CERTIFICATE_DAYS = 365;

const ROLES = ["master", "merge", "worker"] as const;
const HERE = ["localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"];

/** "master.crt", "master.key", ... */
export type Files = ReadonlyMap<string, Secret<string>>;

export interface BundleOptions {
  readonly cluster: string;
  readonly now: number;
  /** How long certificates hold. Default 365. */
  readonly days?: number;
  /** Names and addresses, besides this machine's, that clients with host names in mind reach masters by. */
  readonly hosts?: readonly string[];
  /** Those of etcd's members. */
  readonly etcdHosts?: readonly string[];
}

/** New authorities, and a certificate for each service and for etcd. */
export async function newBundle(options: BundleOptions): Promise<Files> {
  const life = { now: options.now, lifeMs: AUTHORITY_DAYS * DAY_MS };
  const services = await newAuthority(`sheaf ${options.cluster}`, life);
  const etcd = await newAuthority(`sheaf ${options.cluster} etcd`, life);
  return certificates(services, etcd, options);
}

/** The same authorities, and certificates and keys that are new, for the hosts that they were for and those given. FAILED_PRECONDITION when an authority is missing or nearly over. */
export async function renewedBundle(files: Files, options: BundleOptions): Promise<Files> {
  const hosts = [...hostsIn(files, "master"), ...(options.hosts ?? [])];
  const etcdHosts = [...hostsIn(files, "etcd"), ...(options.etcdHosts ?? [])];
  const authorities = [authorityIn(files, "ca", options.now), authorityIn(files, "etcd-ca", options.now)] as const;
  return certificates(...authorities, { ...options, hosts, etcdHosts });
}

function hostsIn(files: Files, name: string): string[] {
  const certificate = files.get(`${name}.crt`)?.reveal();
  if (certificate === undefined) return [];
  const names = new X509Certificate(certificate).subjectAltName ?? "";
  return [...names.matchAll(/(?:^|, )(?:DNS|IP Address):([^,"]+)/g)].map(([, host]) => host ?? "");
}

/** Which cluster they are for; undefined: there are none. */
export function clusterOf(files: Files): string | undefined {
  const master = files.get("master.crt")?.reveal();
  if (master === undefined) return undefined;
  const peer = peerOf(new X509Certificate(master).subjectAltName);
  return "value" in peer ? peer.value.cluster : undefined;
}

async function certificates(services: KeyPair, etcd: KeyPair, options: BundleOptions): Promise<Files> {
  const { cluster, now, days = CERTIFICATE_DAYS, hosts = [], etcdHosts = [] } = options;
  const life = { now, lifeMs: days * DAY_MS };
  const files = new Map<string, Secret<string>>();
  const add = (name: string, { certificate, key }: KeyPair) => {
    files.set(`${name}.crt`, new Secret(certificate));
    files.set(`${name}.key`, key);
  };
  add("ca", services);
  add("etcd-ca", etcd);
  for (const role of ROLES) add(role, await issue(services, { ...life, ...namesOf({ cluster, role }, unique(hosts)) }));
  add("etcd", await issue(etcd, { ...life, name: "etcd", hosts: unique(etcdHosts) }));
  add("etcd-client", await issue(etcd, { ...life, name: "sheaf" }));
  return files;
}

/** This machine's own names first; IPv6 as Node writes it, so that a renewal finds it again. */
function unique(hosts: readonly string[]): string[] {
  return [...new Set([...HERE, ...hosts])];
}

/** Only a master is called by those who look at host names. */
function namesOf(peer: Peer, hosts: readonly string[]) {
  const uris = [peerUri(peer)];
  return { name: `sheaf-${peer.role}`, uris, hosts: peer.role === "master" ? hosts : [] };
}

function authorityIn(files: Files, name: string, now: number): KeyPair {
  const [certificate, key] = [files.get(`${name}.crt`)?.reveal(), files.get(`${name}.key`)];
  if (certificate === undefined || key === undefined) {
    throw failedPrecondition(
      "AUTHORITY_MISSING",
      `${name}.crt and ${name}.key are not there: only who has them can renew`,
    );
  }
  const { validTo } = new X509Certificate(certificate);
  if (Date.parse(validTo) - now < AUTHORITY_DAYS_LEFT_MIN * DAY_MS) {
    throw failedPrecondition(
      "AUTHORITY_OLD",
      `${name}.crt ends at ${validTo}: make everything anew, in an empty folder`,
    );
  }
  return { certificate, key };
}
