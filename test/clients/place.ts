// Where a case of one language happens: its folder, its variables, and the addresses.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { FaultProxy } from "../kit/fault-proxy.ts";
import type { Case, Expected, Step } from "./cases.ts";
import type { Driver, Operation, Outcome } from "./driver.ts";
import { matches, normalized } from "./transcript.ts";

export interface Addresses {
  readonly cluster: string;
  readonly fake?: string;
  readonly proxy?: FaultProxy;
}

const MIB = 1024 * 1024;

export class Place {
  readonly #driver: Driver;
  readonly #addresses: Addresses;
  readonly #variables = new Map<string, string>();
  readonly #operations = new Map<string, Operation>();
  readonly #folder: string;
  readonly #readers: number[] = [];
  #last: unknown;

  /** `folder` and `prefix` are the case's own. */
  constructor(driver: Driver, addresses: Addresses, folder: string, prefix: string) {
    this.#driver = driver;
    this.#addresses = addresses;
    this.#folder = folder;
    this.#variables.set("T", folder).set("L", prefix);
    mkdirSync(folder, { recursive: true });
  }

  /** Gives what was answered, step by step. Throws at what was not expected. */
  async run({ steps }: Case): Promise<unknown[]> {
    const transcript: unknown[] = [];
    try {
      for (const [i, written] of steps.entries()) {
        const step = this.#filled(written) as Step;
        const answered = await this.#step(step).catch((error) => {
          throw new Error(`step ${i + 1}, ${JSON.stringify(written).slice(0, 200)}: ${error.message}`);
        });
        if (answered !== undefined) transcript.push(normalized(answered, this.#variables));
        for (const [name, path] of Object.entries(step.keep ?? {})) this.#keep(name, path);
      }
      return transcript;
    } finally {
      for (const operation of this.#operations.values()) this.#driver.cancel(operation);
      for (const fd of this.#readers) closeSync(fd);
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  async #step(step: Step): Promise<unknown> {
    for (const [path, text] of Object.entries(step.files ?? {})) this.#write(path, text);
    for (const [path, target] of Object.entries(step.links ?? {})) symlinkSync(target, this.#path(path));
    if (step.pipe !== undefined) this.#pipe(this.#path(step.pipe));
    if (step.isPipe !== undefined) assert.ok(lstatSync(this.#path(step.isPipe)).isFIFO(), `${step.isPipe} is no pipe`);
    if (step.numbered !== undefined) this.#number(step.numbered);
    if (step.large !== undefined) this.#large(step.large);
    if (step.touch !== undefined) this.#write(step.touch, "");
    if (step.cut) this.#proxy().cut();
    if (step.same !== undefined) assert.deepEqual(treeOf(this.#path(step.same[1])), treeOf(this.#path(step.same[0])));
    if (step.absent !== undefined) assert.equal(existsSync(this.#path(step.absent)), false, `${step.absent} is there`);
    if (step.until !== undefined) {
      const { of, event } = step.until;
      await this.#operation(of).until((said) => matches(said, event));
    }
    if (step.cancel !== undefined) this.#driver.cancel(this.#operation(step.cancel));
    if (step.do !== undefined) return this.#do(step.do, step);
    return step.end === undefined ? undefined : this.#ended(this.#operation(step.end), step);
  }

  #do({ to = "cluster", ...fields }: NonNullable<Step["do"]>, step: Step): Promise<unknown> | undefined {
    const { cluster, fake, proxy } = this.#addresses;
    const address = { cluster, fake, proxy: proxy?.address }[to] ?? to;
    const operation = this.#driver.begin({ address, ...fields });
    if (step.as === undefined) return this.#ended(operation, step);
    this.#operations.set(step.as, operation);
    return undefined;
  }

  async #ended(operation: Operation, expected: Step): Promise<unknown> {
    const outcome = await operation.outcome;
    for (const [name, each] of this.#operations) if (each === operation) this.#operations.delete(name);
    check(outcome, expected);
    this.#last = "ok" in outcome ? outcome.ok : outcome.error;
    if ("ok" in outcome) return { ok: outcome.ok };
    const { code, reason, fields } = outcome.error; // the words may differ
    return { error: { code, reason, ...(expected.own === "fields" ? {} : { fields }) } };
  }

  #proxy(): FaultProxy {
    return this.#addresses.proxy ?? assert.fail("there is no proxy here");
  }

  #operation(name: string): Operation {
    return this.#operations.get(name) ?? assert.fail(`nothing runs as ${name}`);
  }

  #keep(name: string, path: string): void {
    const value = path
      .split(".")
      .reduce<unknown>((each, part) => (each as Record<string, unknown>)?.[part], this.#last);
    this.#variables.set(name, String(path === "" ? this.#last : value));
  }

  #filled(value: unknown): unknown {
    if (typeof value === "string")
      return value.replaceAll(/\$([a-zA-Z]\w*)/g, (whole, name) => this.#variables.get(name) ?? whole);
    if (Array.isArray(value)) return value.map((each) => this.#filled(each));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [this.#filled(name), this.#filled(each)]));
  }

  #path(path: string): string {
    return path.startsWith("/") ? path : join(this.#folder, path);
  }

  #write(path: string, text: string | Uint8Array): void {
    const file = this.#path(path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode: path.endsWith(".sh") ? 0o755 : 0o644 });
  }

  #pipe(path: string): void {
    mkdirSync(dirname(path), { recursive: true });
    execFileSync("mkfifo", [path]);
    this.#readers.push(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
  }

  #number({ folder, count, bytes }: NonNullable<Step["numbered"]>): void {
    for (let i = 0; i < count; i++) {
      const name = `${String(i % 100).padStart(2, "0")}/${String(i).padStart(6, "0")}`;
      this.#write(`${folder}/${name}`, Buffer.alloc(bytes, `${i} `));
    }
  }

  /** No two of its MiB are the same. */
  #large({ file, bytes }: NonNullable<Step["large"]>): void {
    this.#write(file, "");
    const fd = openSync(this.#path(file), "w");
    for (let at = 0; at < bytes; at += MIB) writeSync(fd, Buffer.alloc(Math.min(MIB, bytes - at), `${at} `));
    closeSync(fd);
  }
}

function check(outcome: Outcome, { expect, error }: Expected): void {
  if (error === undefined) {
    assert.ok("ok" in outcome, `it failed: ${JSON.stringify(outcome)}`);
    if (expect !== undefined && !matches(outcome.ok, expect)) assert.deepEqual(outcome.ok, expect);
    return;
  }
  assert.ok("error" in outcome, `it should fail with ${error.code}: ${JSON.stringify(outcome)}`);
  const { says, ...fields } = error;
  if (!matches(outcome.error, fields)) assert.deepEqual(outcome.error, fields);
  if (says !== undefined)
    assert.ok(outcome.error.message.includes(says), `${outcome.error.message} does not say ${says}`);
}

function treeOf(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.sort().map((path) => [path.slice(folder.length), sha256(path)]));
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
