// What makes a test cluster secure: certificates and tokens as files, as an administrator would make them, and the flags that name them.

import { writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { type Files, newBundle, renewedBundle, writeFolder } from "@sheaf/certificates";
import { formatLine, newToken, USER_ROLES, type UserRole } from "@sheaf/identity";
import { type Secret, systemRandom } from "@sheaf/runtime";

const CLUSTER = "default";

export class ClusterSecurity {
  readonly folder: string;
  readonly tokensFile: string;
  #files: Files;
  readonly #tokens = new Map<UserRole, Secret<string>>();
  readonly #lines = new Map<UserRole, string>();

  private constructor(folder: string, files: Files) {
    this.folder = join(folder, "certificates");
    this.tokensFile = join(folder, "tokens");
    this.#files = files;
    for (const role of USER_ROLES) {
      const { token, line } = newToken({ name: role, role, expires: Date.now() + 3_600_000 }, systemRandom);
      this.#tokens.set(role, token);
      this.#lines.set(role, formatLine(line));
    }
  }

  static async make(folder: string): Promise<ClusterSecurity> {
    const security = new ClusterSecurity(folder, await newBundle({ cluster: CLUSTER, now: Date.now() }));
    await writeFolder(security.folder, security.#files);
    security.#writeTokens();
    return security;
  }

  get ca(): Buffer {
    return Buffer.from(this.text("ca.crt"));
  }

  get caFile(): string {
    return join(this.folder, "ca.crt");
  }

  /** Contents of a file. */
  text(name: string): string {
    return this.#files.get(name)?.reveal() ?? "";
  }

  tokenOf(role: UserRole): Secret<string> {
    const token = this.#tokens.get(role);
    if (token === undefined) throw new Error(`no token for ${role}`);
    return token;
  }

  /** What must show nowhere. */
  secrets(): string[] {
    const keys = [...this.#files].filter(([name]) => name.endsWith(".key")).map(([, key]) => key.reveal());
    // The middle of a key, in one line: it may be wrapped in another way.
    return [
      ...[...this.#tokens.values()].map((token) => token.reveal()),
      ...keys.map((key) => key.split("\n")[1] ?? key),
    ];
  }

  revoke(role: UserRole): void {
    this.#lines.delete(role);
    this.#writeTokens();
  }

  /** New certificates for everybody, in place of those that are there. */
  async renew(): Promise<void> {
    this.#files = await renewedBundle(this.#files, { cluster: CLUSTER, now: Date.now() });
    await writeFolder(this.folder, this.#files);
  }

  serviceFlags(name: string): string[] {
    const role = name.startsWith("merge") ? "merge" : "master";
    const own = [
      "--tls-cert",
      this.#path(`${role}.crt`),
      "--tls-key",
      this.#path(`${role}.key`),
      "--tls-ca",
      this.caFile,
    ];
    const etcd = ["cert", "key"].flatMap((what) => [
      `--etcd-${what}`,
      this.#path(`etcd-client.${what.replace("cert", "crt")}`),
    ]);
    const workers = ["--worker-tls-cert", this.#path("worker.crt"), "--worker-tls-key", this.#path("worker.key")];
    const users = role === "master" ? ["--tokens", this.tokensFile, ...workers] : [];
    return [...own, ...etcd, "--etcd-ca", this.#path("etcd-ca.crt"), ...users];
  }

  etcdFlags(): string[] {
    const files = (prefix: string) =>
      [
        ["cert-file", "etcd.crt"],
        ["key-file", "etcd.key"],
        ["trusted-ca-file", "etcd-ca.crt"],
      ].flatMap(([flag, file]) => [`--${prefix}${flag}`, this.#path(file ?? "")]);
    return [
      ...files(""),
      "--client-cert-auth",
      ...files("peer-"),
      "--peer-client-cert-auth",
      "--tls-min-version",
      "TLS1.3",
    ];
  }

  /** Whether etcd is healthy, asked as a service would ask it. */
  etcdAnswers(address: string): Promise<boolean> {
    const [ca, cert, key] = [this.text("etcd-ca.crt"), this.text("etcd-client.crt"), this.text("etcd-client.key")];
    return new Promise((resolve) => {
      const sent = request(`https://${address}/health`, { ca, cert, key }, async (answer) => {
        let text = "";
        for await (const chunk of answer) text += chunk;
        resolve(text.includes('"true"'));
      });
      sent.on("error", () => resolve(false));
      sent.end();
    });
  }

  #path(name: string): string {
    return join(this.folder, name);
  }

  #writeTokens(): void {
    writeFileSync(this.tokensFile, [...this.#lines.values(), ""].join("\n"), { mode: 0o600 });
  }
}
