/** Addresses of objects that carry their permission with them: signature version 4, in the query. Pure. */
import { createHash, createHmac } from "node:crypto";
import type { PresignedRange } from "../store.ts";
import type { S3Address } from "./s3-address.ts";

export interface PresignAsked {
  /** Of the object, without a query. */
  readonly url: URL;
  readonly region: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string | undefined;
  };
  /** Names in lower case. They are signed, and the server refuses a request without them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly seconds: number;
  readonly at: Date;
}

const ALGORITHM = "AWS4-HMAC-SHA256";

/** Where an object lies. */
export function objectUrl({ bucket, prefix, endpoint, pathStyle }: S3Address, region: string, key: string): URL {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const server = new URL(endpoint ?? `https://s3.${region}.${domain}`);
  const path = `${prefix}${key}`.split("/").map(escaped).join("/");
  if (!pathStyle) server.hostname = `${bucket}.${server.hostname}`;
  server.pathname = pathStyle ? `/${bucket}/${path}` : `/${path}`;
  return server;
}

export function presignGet({ url, region, credentials, headers, seconds, at }: PresignAsked): PresignedRange {
  const stamp = at.toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  const day = stamp.slice(0, 8);
  const scope = `${day}/${region}/s3/aws4_request`;
  const signed: Readonly<Record<string, string>> = { ...headers, host: url.host };
  const names = Object.keys(signed).sort();
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const query = Object.entries({
    "X-Amz-Algorithm": ALGORITHM,
    "X-Amz-Credential": `${accessKeyId}/${scope}`,
    "X-Amz-Date": stamp,
    "X-Amz-Expires": String(seconds),
    "X-Amz-SignedHeaders": names.join(";"),
    ...(sessionToken === undefined ? {} : { "X-Amz-Security-Token": sessionToken }),
  })
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .sort()
    .join("&");
  const lines = names.map((name) => `${name}:${signed[name]}\n`).join("");
  const request = ["GET", url.pathname, query, lines, names.join(";"), "UNSIGNED-PAYLOAD"].join("\n");
  const text = [ALGORITHM, stamp, scope, createHash("sha256").update(request).digest("hex")].join("\n");
  const key = [day, region, "s3", "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, text).toString("hex");
  return { url: `${url.origin}${url.pathname}?${query}&X-Amz-Signature=${signature}`, headers };
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** As the signature wants it: all but letters, digits and "-_.~". */
function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
