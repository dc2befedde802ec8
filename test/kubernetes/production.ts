/**
 * A second installation on the test cluster, from the overlay `production` as the README tells it: the folder is copied, the store and
 * the image are named, certificates and tokens come from the command line. The store is a server outside of the cluster. It has names of
 * its own, by the component `named`.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cli } from "../kit/cli.ts";
import type { S3Server } from "../kit/s3-server.ts";
import type { Cluster } from "./cluster/index.ts";
import { NAMES } from "./images/index.ts";
import type { Access, Names } from "./installed/installation.ts";

const DEPLOY = join(import.meta.dirname, "..", "..", "deploy", "kubernetes");
export const GREEN: Names = { services: "green", workers: "green-workers" };
const ETCD = [0, 1, 2].map((member) => `etcd-${member}.etcd.${GREEN.services}.svc:2379`).join(",");

/** Its three members of etcd share the two nodes that there are. */
const NAMED = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../production, names.yaml]
components: [../../components/named]
patches:
  - target: { kind: StatefulSet, name: etcd }
    patch: |-
      - { op: remove, path: /spec/template/spec/affinity }
`;

export interface Production {
  readonly access: Access;
  /** The kustomization that was applied. */
  readonly overlay: string;
}

/** Applies it; its pods wait for nothing any more, and may not be ready yet. */
export async function applyProduction(cluster: Cluster, s3: S3Server): Promise<Production> {
  const folder = join(cluster.folder, "production");
  cpSync(DEPLOY, folder, { recursive: true });
  adapt(join(folder, "overlays", "production", "kustomization.yaml"), {
    "s3://example-bucket/sheaf?region=eu-central-1": `${s3.url()}&ca=/etc/sheaf/secret/store-ca.crt`,
    [ETCD.replaceAll(`.${GREEN.services}.`, ".sheaf.")]: ETCD,
    "newName: registry.example.com/sheaf": `newName: ${NAMES.sheaf.split(":")[0]}`,
    "newTag: 0.1.0": `newTag: ${NAMES.sheaf.split(":")[1]}`,
  });
  const overlay = join(folder, "overlays", "green");
  mkdirSync(overlay);
  writeFileSync(join(overlay, "kustomization.yaml"), NAMED);
  writeFileSync(join(overlay, "names.yaml"), JSON.stringify(names()));
  await cluster.kubectl(["apply", "-k", overlay]);

  const cwd = join(folder, "keys");
  mkdirSync(cwd);
  const sheaf = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Cli(args, { cwd, env: { SHEAF_TOKEN: "" } }).end;
    if (code !== 0) throw new Error(`sheaf ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const token = await sheaf("token", "create", "--name", "admin", "--role", "admin", "--file", "tokens");
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = s3.env;
  writeFileSync(join(cwd, "credentials"), `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`);
  const where = ["--kubernetes-secrets", GREEN.services, "--worker-namespace", GREEN.workers];
  const given = ["--tokens", "tokens", "--credentials", "credentials", "--store-ca", s3.ca];
  const secrets = await sheaf("certificates", ".", ...where, ...given);
  await cluster.kubectl(["apply", "-f", "-"], secrets);
  return { access: { token: token.trim(), ca: readFileSync(join(cwd, "ca.crt")) }, overlay };
}

/** What somebody changes by hand; all of it is there to be changed. */
function adapt(file: string, changes: Readonly<Record<string, string>>): void {
  let text = readFileSync(file, "utf8");
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`${file} has no "${from}"`);
    text = text.replace(from, to);
  }
  writeFileSync(file, text);
}

function names(): object {
  const metadata = { name: "sheaf-names", annotations: { "config.kubernetes.io/local-config": "true" } };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data: GREEN };
}
