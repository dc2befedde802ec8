/**
 * The connection to one bucket: every request goes through `call`, which bounds how many run, tries again what may be tried
 * again, and gives errors their meaning (s3-failure.ts).
 *
 * The SDK's own retries are off: they end where the body of an answer begins, and a body can break as well.
 */
import { webcrypto, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { S3Client } from "@aws-sdk/client-s3";
import {
  type Clock,
  failedPrecondition,
  invalidArgument,
  messageOf,
  type Random,
  retry,
  Semaphore,
  SheafError,
  systemClock,
  systemRandom,
} from "@sheaf/runtime";
import type { ByteRange, PresignedRange } from "../store.ts";
import { objectUrl, presignGet } from "./presign.ts";
import { RetryBudget } from "./retry-budget.ts";
import { placeOf, type S3Address } from "./s3-address.ts";
import { type Identity, s3Failure, wasCutOff } from "./s3-failure.ts";

export interface S3Options {
  readonly clock?: Clock;
  readonly random?: Random;
  /** A connection that does not stand after this long is given up. Default 5,000. */
  readonly connectMs?: number;
  /** So is a request or an answer of which nothing moves for this long. Default 30,000. */
  readonly idleMs?: number;
  /** Given: opening does not wait for the server. What is wrong with the store is told here, once. */
  readonly onWrong?: (error: unknown) => void;
}

const CONNECT_MS = 5_000;
const IDLE_MS = 30_000;
/** Requests that run at a time; others wait here, because a wait in the agent would count as one for the connection. */
const REQUESTS_MAX = 48;
/** About 3 s with the waits between them; whoever has more patience calls again. */
const TRIES = { maxAttempts: 5, baseMs: 100, capMs: 2_000 };
/** Shorter bodies are hashed by the SDK, on this thread. */
const HASH_ELSEWHERE_BYTES = 64 * 1024;

export class S3Connection {
  readonly address: S3Address;
  readonly clock: Clock;
  readonly random: Random;
  readonly #client: S3Client;
  readonly #running = new Semaphore(REQUESTS_MAX);
  readonly #budget = new RetryBudget();
  #closed = false;

  constructor(address: S3Address, options: S3Options) {
    this.address = address;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.#client = newClient(address, options);
  }

  /**
   * Sends a request and takes in its answer. `doing` completes "cannot ..." in messages. `send` may be called several
   * times, and has to keep the answer's body, too, within its promise. `found`: looked at when the connection was cut, since
   * what was asked for may be so already; undefined: it is not.
   */
  call<T>(doing: string, send: (client: S3Client) => Promise<T>, found?: () => Promise<T | undefined>): Promise<T> {
    if (this.#closed) throw failedPrecondition("STORE_CLOSED", `cannot ${doing}: the store is closed`);
    const once = async (): Promise<T> => {
      using _running = await this.#running.acquire();
      try {
        const answer = await send(this.#client);
        this.#budget.succeeded();
        return answer;
      } catch (error) {
        throw await this.#failure(error, doing);
      }
    };
    const onceOrFound = async (): Promise<T> => {
      try {
        return await once();
      } catch (error) {
        const answer = wasCutOff(error) ? await found?.() : undefined;
        if (answer === undefined) throw error;
        return answer;
      }
    };
    return retry(onceOrFound, {
      ...TRIES,
      clock: this.clock,
      random: this.random,
      transient: (error) => error instanceof SheafError && error.code === "UNAVAILABLE" && this.#budget.take(),
    });
  }

  /** See Store. Nothing is sent: the address is made of the credentials. */
  async presign(key: string, { offset, length }: ByteRange, seconds: number): Promise<PresignedRange> {
    const { credentials, region } = this.#client.config;
    const range = `bytes=${offset}-${offset + length - 1}`;
    const named = await region();
    return presignGet({
      url: objectUrl(this.address, named, key),
      region: named,
      credentials: await credentials(),
      headers: { range },
      seconds,
      at: new Date(this.clock.wall()),
    });
  }

  close(): void {
    this.#closed = true;
    this.#client.destroy();
  }

  async #failure(thrown: unknown, doing: string): Promise<SheafError> {
    const failure = s3Failure(thrown, this.address, doing);
    if (failure.code !== "PERMISSION_DENIED") return failure;
    return s3Failure(thrown, this.address, doing, await this.#identity());
  }

  async #identity(): Promise<Identity | undefined> {
    const found = await this.#client.config.credentials().catch(() => undefined); // the request itself has failed for that
    if (found === undefined) return undefined;
    const source = "$source" in found ? Object.keys(found["$source"] as object) : [];
    return {
      keyId: found.accessKeyId,
      from: SOURCES.find(([name]) => source.includes(name))?.[1] ?? "its usual place",
    };
  }
}

/** What the SDK calls where it found credentials. The first that fits is the nearest. */
const SOURCES: readonly (readonly [string, string])[] = [
  ["CREDENTIALS_ENV_VARS", "the environment (AWS_ACCESS_KEY_ID)"],
  ["CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN", "the web identity (AWS_WEB_IDENTITY_TOKEN_FILE)"],
  ["CREDENTIALS_PROFILE_STS_WEB_ID_TOKEN", "the web identity of the profile"],
  ["CREDENTIALS_PROFILE_PROCESS", "the credential_process of the profile"],
  ["CREDENTIALS_PROFILE_SOURCE_PROFILE", "the role of the profile"],
  ["CREDENTIALS_PROFILE_SSO", "the sign-on of the profile"],
  ["CREDENTIALS_PROFILE", "the profile in the shared credentials file"],
  ["CREDENTIALS_HTTP", "the container"],
  ["CREDENTIALS_IMDS", "the machine"],
];

/** Throws STORE_URL when the file cannot be read, or holds no certificate: Node would say nothing, and trust nobody. */
function authorities(address: S3Address): { readonly ca?: Buffer } {
  const { ca } = address;
  if (ca === undefined) return {};
  try {
    const file = readFileSync(ca);
    new X509Certificate(file);
    return { ca: file };
  } catch (error) {
    throw invalidArgument(
      "STORE_URL",
      `${placeOf(address)}: the file of authorities (ca=${ca}) has to hold certificates in PEM: ${messageOf(error)}`,
    );
  }
}

function newClient(address: S3Address, { connectMs = CONNECT_MS, idleMs = IDLE_MS }: S3Options): S3Client {
  const { endpoint, region, pathStyle } = address;
  // Servers other than that of AWS take any region; the signature needs one.
  const named = region ?? (endpoint === undefined ? undefined : process.env["AWS_REGION"] || "us-east-1");
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(named === undefined ? {} : { region: named }),
    forcePathStyle: pathStyle,
    maxAttempts: 1,
    // Trailers with checksums: servers other than AWS fail on them. Bodies are covered by the signature, objects by their names.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // With "Expect: 100-continue" the SDK opens a connection for each upload of more than 2 MB.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: idleMs,
      socketAcquisitionWarningTimeout: 2 ** 31 - 1,
      httpAgent: { maxSockets: REQUESTS_MAX },
      httpsAgent: { maxSockets: REQUESTS_MAX, ...authorities(address) },
    },
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  });
  // The signature names the hash of the body. Made here it is made once for all tries, and beside the event loop.
  client.middlewareStack.add(
    (next) => async (args) => {
      const { headers, body } = args.request as { headers: Record<string, string>; body: unknown };
      if (body instanceof Uint8Array && body.length >= HASH_ELSEWHERE_BYTES) {
        const hash = await webcrypto.subtle.digest("SHA-256", body as Uint8Array<ArrayBuffer>);
        headers["x-amz-content-sha256"] = Buffer.from(hash).toString("hex");
      }
      return next(args);
    },
    { step: "build", name: "hashElsewhere" },
  );
  return client;
}
