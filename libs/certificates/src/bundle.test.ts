import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { issue, newAuthority } from "./authority.ts";
import { clusterOf, type Files, newBundle, renewedBundle } from "./bundle.ts";
import { readFolder, writeFolder } from "./folder.ts";
import { kubernetesHosts, secretsOf } from "./secrets.ts";

const DAY_MS = 86_400_000;
const now = Date.UTC(2026, 10, 27);
const folder = mkdtempSync(join(tmpdir(), "sheaf-certificates-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const certificate = (files: Files, name: string) => new X509Certificate(files.get(`${name}.crt`)?.reveal() ?? "");
const signedBy = (files: Files, name: string, authority: string) =>
  certificate(files, name).verify(certificate(files, authority).publicKey);

const bundle = await newBundle({
  cluster: "west",
  now,
  hosts: ["sheaf.example.com", "10.0.0.7"],
  etcdHosts: ["etcd-0"],
});

describe("the certificates of a cluster", () => {
  it("services are known by one authority, etcd and its clients by another", () => {
    for (const role of ["master", "merge", "worker"]) {
      assert.ok(signedBy(bundle, role, "ca") && !signedBy(bundle, role, "etcd-ca"));
      assert.match(certificate(bundle, role).subjectAltName ?? "", new RegExp(`URI:spiffe://sheaf/west/${role}(,|$)`));
    }
    for (const name of ["etcd", "etcd-client"])
      assert.ok(signedBy(bundle, name, "etcd-ca") && !signedBy(bundle, name, "ca"));
    assert.equal(clusterOf(bundle), "west");
  });

  it("each has its own key, of P-256, and only authorities sign", () => {
    const keys = new Set<string>();
    for (const [name, text] of bundle) {
      if (!name.endsWith(".key")) continue;
      const key = createPrivateKey(text.reveal());
      assert.equal(key.asymmetricKeyDetails?.namedCurve, "prime256v1");
      const own = certificate(bundle, name.slice(0, -4));
      assert.ok(own.checkPrivateKey(key));
      assert.equal(own.ca, name === "ca.key" || name === "etcd-ca.key");
      keys.add(text.reveal());
    }
    assert.equal(keys.size, 7);
  });

  it("hosts: the master's and etcd's, and they stay in a renewal", async () => {
    const renewed = await renewedBundle(bundle, { cluster: "west", now: now + DAY_MS, days: 90, hosts: ["more"] });
    for (const host of ["localhost", "sheaf.example.com", "more"])
      assert.ok(certificate(renewed, "master").checkHost(host), host);
    for (const ip of ["127.0.0.1", "::1", "10.0.0.7"]) assert.ok(certificate(renewed, "master").checkIP(ip), ip);
    assert.ok(certificate(renewed, "etcd").checkHost("etcd-0"));
    assert.equal(certificate(renewed, "worker").checkHost("localhost"), undefined);
    assert.ok(signedBy(renewed, "master", "ca"));
    assert.equal(renewed.get("ca.crt")?.reveal(), bundle.get("ca.crt")?.reveal());
    assert.notEqual(renewed.get("master.key")?.reveal(), bundle.get("master.key")?.reveal());
    assert.equal(Date.parse(certificate(renewed, "merge").validTo), now + 91 * DAY_MS);
  });

  it("no certificate outlives its authority, and an old authority renews nothing", async () => {
    const authority = await newAuthority("short", { now, lifeMs: DAY_MS });
    const made = await issue(authority, { name: "x", now, lifeMs: 10 * DAY_MS });
    assert.equal(Date.parse(new X509Certificate(made.certificate).validTo), now + DAY_MS);
    await assert.rejects(renewedBundle(bundle, { cluster: "west", now: now + 1_800 * DAY_MS }), {
      reason: "AUTHORITY_OLD",
    });
    await assert.rejects(renewedBundle(new Map(), { cluster: "west", now }), { reason: "AUTHORITY_MISSING" });
  });

  it("as files: keys are their owner's, and nothing half-written is left", async () => {
    const dir = join(folder, "files");
    await writeFolder(dir, bundle);
    await writeFolder(dir, bundle);
    for (const name of readdirSync(dir)) {
      assert.ok(bundle.has(name), name);
      assert.equal(statSync(join(dir, name)).mode & 0o777, name.endsWith(".key") ? 0o600 : 0o644);
    }
    const read = await readFolder(dir);
    assert.deepEqual(
      [...read].map(([name, text]) => [name, text.reveal()]).sort(),
      [...bundle].map(([name, text]) => [name, text.reveal()]).sort(),
    );
    assert.equal((await readFolder(join(folder, "none"))).size, 0);
  });

  it("as Secrets: each kind of pod gets what it needs, and no authority's key", () => {
    const secrets = secretsOf(bundle, { namespace: "sheaf", workerNamespace: "sheaf-workers", tokens: "lines\n" });
    const names = Object.fromEntries(
      secrets.map((each) => {
        const { metadata, data } = each.reveal();
        return [`${metadata.namespace}/${metadata.name}`, Object.keys(data).sort()];
      }),
    );
    const service = ["ca.crt", "etcd-ca.crt", "etcd.crt", "etcd.key", "tls.crt", "tls.key"];
    assert.deepEqual(names, {
      "sheaf/sheaf-master": [...service, "tokens"].sort(),
      "sheaf/sheaf-merge": service,
      "sheaf-workers/sheaf-worker": ["ca.crt", "tls.crt", "tls.key"],
      "sheaf/sheaf-etcd": ["ca.crt", "tls.crt", "tls.key"],
      "sheaf/sheaf-ca": ["ca.crt"],
    });
    const all = JSON.stringify(secrets.map((each) => each.reveal()));
    for (const name of ["ca.key", "etcd-ca.key"]) {
      assert.ok(!all.includes(Buffer.from(bundle.get(name)?.reveal() ?? "").toString("base64")), name);
    }
    assert.ok(!JSON.stringify(secrets).includes("tls.key"));
  });

  it("names in Kubernetes: services, and the members of etcd", async () => {
    const files = await newBundle({ cluster: "west", now, ...kubernetesHosts("sheaf") });
    assert.ok(certificate(files, "master").checkHost("sheaf-master.sheaf.svc"));
    assert.ok(certificate(files, "etcd").checkHost("etcd-2.etcd.sheaf.svc.cluster.local"));
  });
});
