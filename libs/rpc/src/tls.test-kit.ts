/** Certificates for tests: real ones, of clusters that are made for the test, in folders that are gone after it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type Files, issue, newBundle, writeFolder } from "@sheaf/certificates";
import { type KeptTls, openTls, type PeerRole, peerUri, Tokens } from "@sheaf/identity";
import { Secret, systemClock, testLogger } from "@sheaf/runtime";

const deps = { log: testLogger(), clock: systemClock };

export interface TestCertificates {
  readonly cluster: string;
  readonly folder: string;
  readonly files: Files;
  /** As a service of that role. */
  tls(role: PeerRole): Promise<KeptTls>;
  /** PEM. */
  readonly ca: Buffer;
}

export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sheaf-tls-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `signedBy`: the authority of another cluster signs this one's certificates. */
export async function testCertificates(cluster: string, signedBy?: TestCertificates): Promise<TestCertificates> {
  const folder = testFolder();
  const now = systemClock.wall();
  const files = new Map(await newBundle({ cluster, now }));
  const authority = signedBy?.files ?? files;
  const [certificate, key] = [authority.get("ca.crt")?.reveal() ?? "", authority.get("ca.key") ?? new Secret("")];
  files.set("ca.crt", new Secret(certificate));
  for (const role of ["master", "merge", "worker", "client"] as const) {
    const wanted = { name: role, uris: [peerUri({ cluster, role })], hosts: ["127.0.0.1"], now, lifeMs: 3_600_000 };
    const made = await issue({ certificate, key }, wanted);
    files.set(`${role}.crt`, new Secret(made.certificate));
    files.set(`${role}.key`, made.key);
  }
  await writeFolder(folder, files);
  const path = (name: string) => join(folder, name);
  return {
    cluster,
    folder,
    files,
    ca: Buffer.from(certificate),
    tls: (role) =>
      openTls({ cert: path(`${role}.crt`), key: path(`${role}.key`), ca: path("ca.crt") }, { role, cluster }, deps),
  };
}

export async function openTokens(path: string): Promise<Tokens> {
  const tokens = await Tokens.open(path, deps);
  after(() => tokens.stop());
  return tokens;
}
