/**
 * An S3 server for tests: a process of versitygw over a folder of its own, on a loopback port. It can be killed and started
 * again. Its objects are plain files, `<folder>/data/<bucket>/<key>`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { issue, newAuthority } from "@sheaf/certificates";
import { freePorts } from "@sheaf/provision";
import { eventually } from "./cluster.ts";
import { programFor } from "./program.ts";

const KEY_ID = "sheaf-test-key";
const SECRET = "sheaf-test-secret";
const DAY_MS = 86_400_000;

/** The program of the server. */
export function s3Program(): Promise<string | undefined> {
  return programFor("the tests of stores in S3", "versitygw");
}

/** Describes what needs such a server, or counts as one test that was left out. */
export async function describeWithS3(name: string, body: (program: string) => void): Promise<void> {
  const program = await s3Program();
  if (program === undefined) test(name, { skip: "no S3 server" }, () => {});
  else describe(name, () => body(program));
}

export class S3Server {
  /** What a process needs to reach it, and no more: no file of the user and no network is asked for credentials. */
  readonly env: Readonly<Record<string, string>> = {
    AWS_ACCESS_KEY_ID: KEY_ID,
    AWS_SECRET_ACCESS_KEY: SECRET,
    AWS_EC2_METADATA_DISABLED: "true",
  };
  readonly folder = mkdtempSync(join(tmpdir(), "sheaf-s3-"));
  readonly port: number;
  readonly #program: string;
  #child: ChildProcess | undefined;
  #buckets = 0;

  readonly #host: string;
  readonly #secure: boolean;

  private constructor(program: string, host: string, port: number, secure: boolean) {
    this.#program = program;
    this.#host = host;
    this.#secure = secure;
    this.port = port;
    mkdirSync(join(this.folder, "data"));
  }

  /** `host`: the address of this machine where it listens. `secure`: with a certificate from an authority of its own. */
  static async start(program: string, host = "127.0.0.1", secure = false): Promise<S3Server> {
    const [port = 0] = await freePorts(1, host);
    const server = new S3Server(program, host, port, secure);
    if (secure) await server.#certify();
    await server.run();
    return server;
  }

  get endpoint(): string {
    return `${this.#secure ? "https" : "http"}://${this.#host}:${this.port}`;
  }

  /** The file of the authority of a secure one. */
  get ca(): string {
    return join(this.folder, "ca.crt");
  }

  /** A new bucket: its name. The server takes a folder for one. */
  bucket(): string {
    const name = `bucket-${++this.#buckets}`;
    mkdirSync(join(this.folder, "data", name));
    return name;
  }

  /** The address of a store in a new bucket. */
  url(endpoint: string = this.endpoint): string {
    return `s3://${this.bucket()}/some/prefix?endpoint=${endpoint}`;
  }

  /** Everything that lies in a bucket, parts of unfinished uploads included. */
  filesOf(bucket: string): string[] {
    const entries = readdirSync(join(this.folder, "data", bucket), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  /** Starts it, on the port that it had before; resolves when it answers. */
  async run(): Promise<void> {
    const args = [
      "--port",
      `${this.#host}:${this.port}`,
      "--access",
      KEY_ID,
      "--secret",
      SECRET,
      "--quiet",
      "--keep-alive",
      ...(this.#secure ? ["--cert", join(this.folder, "tls.crt"), "--key", join(this.folder, "tls.key")] : []),
    ];
    const child = spawn(this.#program, [...args, "posix", join(this.folder, "data")], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"] ?? "", HOME: this.folder },
    });
    this.#child = child;
    const log = createWriteStream(join(this.folder, "log"), { flags: "a" });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`versitygw ended with ${child.exitCode}; see ${this.folder}/log`);
      return await this.#listens();
    }, "the S3 server listens");
  }

  #listens(): Promise<boolean> {
    const socket = connect(this.port, this.#host);
    return new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    }).finally(() => socket.destroy());
  }

  async #certify(): Promise<void> {
    const life = { now: Date.now(), lifeMs: DAY_MS };
    const authority = await newAuthority("the S3 server of a test", life);
    const own = await issue(authority, { name: "s3", hosts: [this.#host], ...life });
    writeFileSync(this.ca, authority.certificate);
    writeFileSync(join(this.folder, "tls.crt"), own.certificate);
    writeFileSync(join(this.folder, "tls.key"), own.key.reveal(), { mode: 0o600 });
  }

  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const over = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await over;
  }

  async stop(): Promise<void> {
    await this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
