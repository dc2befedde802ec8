/** The address of a store in S3: `s3://bucket/prefix?endpoint=http://127.0.0.1:9000&region=eu-west-1&path_style=true`. */
import { didYouMean, invalidArgument, type SheafError } from "@sheaf/runtime";

export interface S3Address {
  /** All of it in one spelling, without secrets: it stands in logs, listings and arguments of workers. */
  readonly url: string;
  readonly bucket: string;
  /** What every key of the store begins with: empty, or ending in a slash. */
  readonly prefix: string;
  /** Scheme, host and port of the server. Undefined: that of AWS, or what the SDK's own settings say. */
  readonly endpoint: string | undefined;
  /** Undefined: what AWS_REGION or the profile says. */
  readonly region: string | undefined;
  /** The bucket is a part of the path, not of the host name. */
  readonly pathStyle: boolean;
  /** A file of the authorities that the server's certificate may be from, on every machine; undefined: those that Node knows. */
  readonly ca: string | undefined;
}

const PARAMETERS = ["endpoint", "region", "path_style", "ca"] as const;
type Parameter = (typeof PARAMETERS)[number];

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
/** With the longest key (store.ts) it stays below the 1,024 bytes that a key in S3 may have. */
const PREFIX_BYTES_MAX = 512;
const REGION = /^[A-Za-z0-9-]{1,64}$/;
const FILE = /^(?:\/[A-Za-z0-9._-]+)+$/;
const CREDENTIALS_ELSEWHERE =
  "credentials are never a part of the address; give them by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the identity of the machine";

/** Throws STORE_URL. What it says never shows more than bucket and prefix: the rest may hold a secret by mistake. */
export function parseS3Address(url: URL): S3Address {
  const shown = `s3://${url.host}${url.pathname}`;
  const wrong = (what: string): SheafError => invalidArgument("STORE_URL", `${shown}: ${what}`);
  if (url.username !== "" || url.password !== "") throw wrong(CREDENTIALS_ELSEWHERE);
  if (!BUCKET.test(url.host))
    throw wrong("the bucket has to be 3 to 63 of a-z 0-9 . - (s3://bucket/prefix?endpoint=http://host:port)");
  if (url.hash !== "") throw wrong("there is something after a #; write s3://bucket/prefix?name=value");
  const prefix = url.pathname.replace(/^\//, "").replace(/\/$/, "");
  if (prefix !== "" && (!PREFIX.test(prefix) || prefix.length > PREFIX_BYTES_MAX))
    throw wrong(
      `the prefix has to be parts of A-Z a-z 0-9 . _ - between slashes, none beginning with a dot, at most ${PREFIX_BYTES_MAX} bytes`,
    );
  const given = parametersOf(url, wrong);
  const endpoint = endpointOf(given.get("endpoint"), wrong);
  const region = given.get("region");
  if (region !== undefined && !REGION.test(region)) throw wrong("region has to be a name like eu-west-1");
  const style = given.get("path_style");
  if (style !== undefined && style !== "true" && style !== "false")
    throw wrong("path_style has to be true or false (default: true with an endpoint, else false)");
  const ca = given.get("ca");
  if (ca !== undefined && !FILE.test(ca))
    throw wrong("ca has to be the path of a file, like /etc/sheaf/secret/store-ca.crt");
  if (ca !== undefined && endpoint?.startsWith("https:") !== true)
    throw wrong("ca is for servers with a certificate: endpoint has to be https://host");
  const parameters = [
    ...(endpoint === undefined ? [] : [`endpoint=${endpoint}`]),
    ...(region === undefined ? [] : [`region=${region}`]),
    ...(style === undefined ? [] : [`path_style=${style}`]),
    ...(ca === undefined ? [] : [`ca=${ca}`]),
  ];
  return {
    url: `s3://${url.host}${prefix && `/${prefix}`}${parameters.length > 0 ? `?${parameters.join("&")}` : ""}`,
    bucket: url.host,
    prefix: prefix && `${prefix}/`,
    endpoint,
    region,
    pathStyle: style === undefined ? endpoint !== undefined : style === "true",
    ca,
  };
}

/** For messages: the bucket and where it is. */
export function placeOf({ bucket, prefix, endpoint, region }: S3Address): string {
  const at = endpoint ?? `AWS S3${region === undefined ? "" : ` in ${region}`}`;
  return `the store s3://${bucket}${prefix && `/${prefix.slice(0, -1)}`} at ${at}`;
}

function parametersOf(url: URL, wrong: (what: string) => SheafError): Map<Parameter, string> {
  const given = new Map<Parameter, string>();
  for (const [name, value] of url.searchParams) {
    if (/key|secret|token|password|credential/i.test(name)) throw wrong(CREDENTIALS_ELSEWHERE);
    const known = PARAMETERS.find((parameter) => parameter === name);
    if (known === undefined)
      throw wrong(
        `"${name.slice(0, 80)}" is not a parameter of a store in S3${didYouMean(name, PARAMETERS)}: there are ${PARAMETERS.join(", ")}`,
      );
    if (given.has(known)) throw wrong(`${known} is given twice`);
    given.set(known, value);
  }
  return given;
}

function endpointOf(text: string | undefined, wrong: (what: string) => SheafError): string | undefined {
  if (text === undefined) return undefined;
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed !== undefined && (parsed.username !== "" || parsed.password !== "")) throw wrong(CREDENTIALS_ELSEWHERE);
  const isWhole = parsed?.pathname === "/" && parsed.search === "" && parsed.hash === "";
  if (!isWhole || !/^https?:$/.test(parsed.protocol))
    throw wrong("endpoint has to be http://host:port or https://host, without a path");
  return parsed.origin;
}
