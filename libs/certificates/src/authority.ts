/** An authority, and the certificates that it signs: ECDSA with P-256. The only file that knows the library. */
import "reflect-metadata"; // the library wants it, before itself
import { createPrivateKey, KeyObject, webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { Secret } from "@sheaf/runtime";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** Clocks differ: what was signed a moment ago holds everywhere. */
const EARLIER_MS = 5 * 60_000;

/** PEM, both. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: Secret<string>;
}

interface Life {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly lifeMs: number;
}

export interface Wanted extends Life {
  /** Common name: how etcd calls a client. */
  readonly name: string;
  readonly uris?: readonly string[];
  /** Names and addresses that its server is reached by. */
  readonly hosts?: readonly string[];
}

export async function newAuthority(name: string, life: Life): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    ...validity(life),
    keys,
    signingAlgorithm: ECDSA,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pem(certificate), key: pemOf(keys.privateKey) };
}

/** A certificate for both ends of a connection, with a new key. */
export async function issue(authority: KeyPair, { name, uris = [], hosts = [], ...life }: Wanted): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
  const issuer = new X509Certificate(authority.certificate);
  const names: JsonGeneralName[] = [
    ...uris.map((value) => ({ type: "url" as const, value })),
    ...hosts.map((value) => ({ type: isAddress(value) ? ("ip" as const) : ("dns" as const), value })),
  ];
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: issuer.subjectName,
    ...validity(life, issuer.notAfter.getTime()),
    publicKey: keys.publicKey,
    signingKey: await signingKey(authority.key),
    signingAlgorithm: ECDSA,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { certificate: pem(certificate), key: pemOf(keys.privateKey) };
}

/** No certificate outlives its authority: it would look good and be worth nothing. */
function validity({ now, lifeMs }: Life, latest = Number.POSITIVE_INFINITY) {
  return { notBefore: new Date(now - EARLIER_MS), notAfter: new Date(Math.min(now + lifeMs, latest)) };
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(":");
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

function pemOf(key: webcrypto.CryptoKey): Secret<string> {
  return new Secret(KeyObject.from(key).export({ type: "pkcs8", format: "pem" }).toString());
}

function signingKey(key: Secret<string>): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(key.reveal()).export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", der, ECDSA, false, ["sign"]);
}
