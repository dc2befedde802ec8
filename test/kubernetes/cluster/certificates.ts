/** The cluster's own authority, and what it signs: who is who among the parts of Kubernetes is in the subjects. */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const DAYS = "3650";
/** Nothing of the machine's own configuration goes into a certificate. */
const CONFIG = "[req]\ndistinguished_name = name\n[name]\n";

export interface Signed {
  readonly cert: string;
  readonly key: string;
}

export class Certificates {
  readonly ca: Signed;
  /** Signs the tokens of service accounts. */
  readonly accounts: Signed;
  readonly #folder: string;
  readonly #config: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#config = join(folder, "openssl.cnf");
    this.ca = this.#files("ca");
    this.accounts = this.#files("accounts");
  }

  static async make(folder: string): Promise<Certificates> {
    mkdirSync(folder, { mode: 0o700 });
    const made = new Certificates(folder);
    writeFileSync(made.#config, CONFIG);
    await made.#request("ca", "/CN=sheaf-test-ca", [
      "basicConstraints=critical,CA:TRUE",
      "keyUsage=keyCertSign,cRLSign",
    ]);
    await made.#request("accounts", "/CN=accounts", []); // It carries the key that checks tokens.
    return made;
  }

  /** Signs a certificate of `subject`, for a client and for a server at these names (`DNS:localhost`, `IP:127.0.0.1`). */
  async sign(name: string, subject: string, names: readonly string[] = []): Promise<Signed> {
    const usage = ["basicConstraints=CA:FALSE", "keyUsage=digitalSignature", "extendedKeyUsage=serverAuth,clientAuth"];
    const at = names.length > 0 ? [`subjectAltName=${names.join(",")}`] : [];
    await this.#request(name, subject, [...usage, ...at], ["-CA", this.ca.cert, "-CAkey", this.ca.key]);
    return this.#files(name);
  }

  /** A kubeconfig, which carries all that it needs, for whoever `subject` is. */
  async kubeconfig(name: string, subject: string, server: string): Promise<string> {
    const { cert, key } = await this.sign(name, subject);
    return this.kubeconfigOf(name, { cert, key }, server);
  }

  kubeconfigOf(name: string, { cert, key }: Signed, server: string): string {
    const data = (file: string) => readFileSync(file, "base64");
    const file = join(this.#folder, `${name}.kubeconfig`);
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "sheaf-test", cluster: { server, "certificate-authority-data": data(this.ca.cert) } }],
      users: [{ name, user: { "client-certificate-data": data(cert), "client-key-data": data(key) } }],
      contexts: [{ name: "sheaf-test", context: { cluster: "sheaf-test", user: name } }],
      "current-context": "sheaf-test",
    };
    writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 });
    return file;
  }

  async #request(name: string, subject: string, extensions: readonly string[], by: readonly string[] = []) {
    const { cert, key } = this.#files(name);
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const files = ["-config", this.#config, "-keyout", key, "-out", cert];
    const added = extensions.flatMap((extension) => ["-addext", extension]);
    await run("openssl", ["req", "-x509", ...curve, "-days", DAYS, "-subj", subject, ...files, ...added, ...by]);
  }

  #files(name: string): Signed {
    return { cert: join(this.#folder, `${name}.crt`), key: join(this.#folder, `${name}.key`) };
  }
}
