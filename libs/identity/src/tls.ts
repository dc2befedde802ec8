/**
 * What a service is by its certificate, and what it takes for others: three PEM files, read again when they change. A change holds for
 * connections that begin after it; those that are open stay.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import {
  type Clock,
  failedPrecondition,
  invalidArgument,
  KeptFiles,
  type Logger,
  messageOf,
  Secret,
} from "@sheaf/runtime";
import { type Peer, type PeerRole, peerOf } from "./peer.ts";

/** Paths of PEM files. */
export interface TlsPaths {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface Tls {
  /** Who we are. */
  readonly self: Peer;
  readonly cert: Buffer;
  readonly key: Secret<Buffer>;
  readonly ca: Buffer;
  /** For servers and for clients alike: our certificate, and the one authority that we trust. */
  readonly context: SecureContext;
}

export type KeptTls = KeptFiles<Tls>;

/** Our own services speak nothing older. */
export const TLS_1_3 = { minVersion: "TLSv1.3", maxVersion: "TLSv1.3" } as const;
/** From then on the log warns. */
const SOON_MS = 7 * 86_400_000;

export interface TlsDeps {
  readonly log: Logger;
  readonly clock: Clock;
}

/** Who the certificate must be for: a service that took another's by mistake would be refused by everybody, one call at a time. */
export interface Expected {
  readonly role: PeerRole;
  /** Undefined: whichever the certificate names. */
  readonly cluster?: string;
}

/** Throws FAILED_PRECONDITION, which says what is wrong with which file. */
export function openTls(paths: TlsPaths, expected: Expected, { log, clock }: TlsDeps): Promise<KeptTls> {
  return KeptFiles.open({
    what: "the TLS certificate",
    paths: [paths.cert, paths.key, paths.ca],
    parse: ([cert, key, ca]) => {
      const material = readMaterial(paths, { cert, key, ca });
      const leaf = new X509Certificate(material.cert);
      const self = checkedSelf(leaf, paths.cert, expected);
      const leftMs = Date.parse(leaf.validTo) - clock.wall();
      if (leftMs <= 0)
        throw bad(paths.cert, `expired at ${leaf.validTo}: \`sheaf certificates --renew\` makes new ones`);
      if (leftMs < SOON_MS) log.warn({ file: paths.cert, validTo: leaf.validTo }, "the TLS certificate expires soon");
      return { ...material, self, context: createSecureContext({ ...contextOptions(material), ...TLS_1_3 }) };
    },
    log,
    clock,
  });
}

/** The same for those who are known there by something else than a role: etcd's clients. */
export function openMaterial(paths: TlsPaths, what: string, { log, clock }: TlsDeps): Promise<KeptFiles<Material>> {
  const parse = ([cert, key, ca]: readonly (Buffer | undefined)[]) => readMaterial(paths, { cert, key, ca });
  return KeptFiles.open({ what, paths: [paths.cert, paths.key, paths.ca], parse, log, clock });
}

/** Certificate, key and authority, checked to belong together. */
export type Material = Pick<Tls, "cert" | "key" | "ca">;

function readMaterial(
  paths: TlsPaths,
  files: { readonly cert: Buffer | undefined; readonly key: Buffer | undefined; readonly ca: Buffer | undefined },
): Material {
  const there = (name: "cert" | "key" | "ca"): Buffer => files[name] ?? missing(paths[name]);
  const [cert, ca, key] = [there("cert"), there("ca"), new Secret(there("key"))];
  const leaf = attempt(paths.cert, "is no certificate in PEM", () => new X509Certificate(cert));
  attempt(paths.ca, "is no certificate in PEM", () => new X509Certificate(ca));
  const own = attempt(paths.key, "is no private key in PEM", () => createPrivateKey(key.reveal()));
  if (!leaf.checkPrivateKey(own)) throw bad(paths.key, `is not the key of ${paths.cert}`);
  return { cert, ca, key };
}

/** As Node takes them: where a server or a connection is made. */
export function contextOptions({ cert, key, ca }: Material): SecureContextOptions {
  return { cert, key: key.reveal(), ca };
}

/** Three paths, or none; INVALID_ARGUMENT for some of them. `flags`: as the user knows them. */
export function pathsOf(
  given: { readonly [K in keyof TlsPaths]: string | undefined },
  flags: readonly string[],
): TlsPaths | undefined {
  const { cert, key, ca } = given;
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert !== undefined && key !== undefined && ca !== undefined) return { cert, key, ca };
  throw invalidArgument("SETTING_INVALID", `${flags.join(", ")} go together: give all three, or none`);
}

function checkedSelf(leaf: X509Certificate, path: string, { role, cluster }: Expected): Peer {
  const parsed = peerOf(leaf.subjectAltName);
  if ("wrong" in parsed) throw bad(path, parsed.wrong);
  const self = parsed.value;
  if (self.role !== role) throw bad(path, `is the certificate of a ${self.role}, not of a ${role}`);
  if (cluster === undefined || self.cluster === cluster) return self;
  throw bad(path, `is for the cluster "${self.cluster}", and this is "${cluster}" (--cluster)`);
}

function attempt<T>(path: string, wrong: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    // OpenSSL's words say where it stopped, never what it read.
    throw bad(path, `${wrong} (${messageOf(error)})`);
  }
}

function missing(path: string): never {
  throw bad(path, "is not there");
}

function bad(path: string, what: string) {
  return failedPrecondition("TLS_FILE_BAD", `${path} ${what}`, { metadata: { file: path } });
}
