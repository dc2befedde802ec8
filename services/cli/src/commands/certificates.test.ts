import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { Stage } from "../testing/stage.ts";

describe("sheaf certificates", () => {
  it("makes them once, and again only when it is asked to renew", async () => {
    await using stage = new Stage();
    const files = () =>
      Object.fromEntries(
        readdirSync(join(stage.dir, "c")).map((name) => [name, readFileSync(join(stage.dir, "c", name), "utf8")]),
      );
    assert.equal((await stage.call("certificates", "c", "--cluster", "west")).code, 0);
    const first = files();
    const again = await stage.call("certificates", "c");
    assert.deepEqual([again.code, files()], [1, first]);
    assert.match(again.stderr, /--renew/);
    assert.equal((await stage.call("certificates", "c", "--renew")).code, 0);
    assert.equal(files()["ca.crt"], first["ca.crt"]);
    assert.notEqual(files()["master.key"], first["master.key"]);
    assert.match((await stage.call("certificates")).stderr, /DIR/);
  });

  it("takes names and addresses of machines", async () => {
    await using stage = new Stage();
    const hosts = ["sheaf.example.com", "*.example.com", "localhost", "10.0.0.7", "fd00::7", "a_b-1.x"];
    assert.equal((await stage.call("certificates", "c", "--host", ...hosts)).code, 0);
    const names = new X509Certificate(readFileSync(join(stage.dir, "c", "master.crt"))).subjectAltName ?? "";
    assert.deepEqual(names.split(", ").slice(4), [
      "DNS:sheaf.example.com",
      "DNS:*.example.com",
      "IP Address:10.0.0.7",
      "IP Address:FD00:0:0:0:0:0:0:7",
      "DNS:a_b-1.x",
    ]);
  });

  it("says where --install-kubernetes works", async () => {
    await using stage = new Stage();
    const { stderr, code } = await stage.call("certificates", "--install-kubernetes", "--kubernetes-account", "none");
    assert.equal(code, 1);
    assert.match(stderr, /works in a pod only.*none\/token/);
  });

  it("prints Secrets for kubectl", async () => {
    await using stage = new Stage();
    const { stdout, stderr, code } = await stage.call("certificates", "c", "--kubernetes-secrets", "sheaf");
    assert.equal(code, 0);
    const names = parseAllDocuments(stdout).map((each) => each.toJS().metadata);
    assert.deepEqual(names[0], { name: "sheaf-master", namespace: "sheaf" });
    assert.deepEqual(names.find(({ name }) => name === "sheaf-worker")?.namespace, "sheaf-workers");
    assert.doesNotMatch(stderr, /PRIVATE/);
    assert.equal((await stage.call("certificates", "c", "--kubernetes-secrets", "sheaf")).stdout, stdout);
  });

  it("puts the authority of the object store into the Secrets of all services", async () => {
    await using stage = new Stage();
    writeFileSync(join(stage.dir, "ours.crt"), "-----BEGIN CERTIFICATE-----\n");
    const args = ["certificates", "c", "--kubernetes-secrets", "sheaf", "--store-ca", "ours.crt"];
    const missing = await stage.call("certificates", "d", "--kubernetes-secrets", "sheaf", "--store-ca", "none.crt");
    assert.deepEqual([missing.code, missing.stdout, existsSync(join(stage.dir, "d"))], [1, "", false]);
    assert.match(missing.stderr, /cannot read what --store-ca names: .*none\.crt/);
    const secrets = parseAllDocuments((await stage.call(...args)).stdout).map((each) => each.toJS());
    const having = secrets.filter(({ data }) => data["store-ca.crt"] !== undefined);
    assert.deepEqual(
      having.map(({ metadata }) => metadata.name),
      ["sheaf-master", "sheaf-merge", "sheaf-worker"],
    );
    for (const { data } of having)
      assert.match(Buffer.from(data["store-ca.crt"], "base64").toString(), /^-----BEGIN CERTIFICATE/);
  });
});

describe("sheaf token", () => {
  it("shows its default once, as it is written", async () => {
    await using stage = new Stage();
    const { stdout } = await stage.call("token", "create", "--help");
    assert.match(stdout, /\(default: 90d\)/);
    assert.doesNotMatch(stdout, /7776000000/);
  });

  it("says which file cannot be added to", async () => {
    await using stage = new Stage();
    const { code, stderr } = await stage.call("token", "create", "--name", "ci", "--role", "viewer", "--file", "no/t");
    assert.equal(code, 1);
    assert.match(stderr, /^sheaf: cannot add to the file of tokens "no\/t": /);
  });

  it("prints a token once, and its line into the file, which is its owner's", async () => {
    await using stage = new Stage();
    const args = ["token", "create", "--name", "ci", "--role", "viewer", "--expires", "12h"];
    const alone = await stage.call(...args);
    assert.match(
      alone.stdout,
      /^sheaf_[\w-]{43}\n\nline for the file of tokens:\nci viewer 20\S+Z sha256:[0-9a-f]{64}\n$/,
    );
    const filed = await stage.call(...args, "--file", "tokens");
    assert.match(filed.stdout, /^sheaf_[\w-]{43}\n$/);
    const file = join(stage.dir, "tokens");
    assert.match(readFileSync(file, "utf8"), /^ci viewer \S+ sha256:\w+\n$/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const twice = await stage.call(...args, "--file", "tokens");
    assert.deepEqual([twice.code, twice.stdout], [1, ""]);
    assert.match(twice.stderr, /tokens has a token named "ci" already.*--name/);
    // An editor may have left the last line without its end.
    writeFileSync(file, readFileSync(file, "utf8").trimEnd());
    assert.equal((await stage.call("token", "create", "--name", "cd", "--role", "viewer", "--file", "tokens")).code, 0);
    assert.match(readFileSync(file, "utf8"), /^ci viewer \S+ sha256:\w+\ncd viewer \S+ sha256:\w+\n$/);
    assert.equal((await stage.call("token", "create", "--name", "a b", "--role", "viewer")).code, 2);
    assert.equal((await stage.call("token", "create", "--name", "a", "--role", "root")).code, 2);
    assert.equal((await stage.call("token", "create", "--name", "a", "--role", "viewer", "--expires", "soon")).code, 2);
  });
});
