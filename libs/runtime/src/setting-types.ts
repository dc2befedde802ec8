/** The types of settings: how each is written in a flag or an environment variable, and read. */
import { NAME, NAME_FORM } from "./name.ts";
import { Secret } from "./secret.ts";

/** What a text turns out to be: a value, or what is wrong with it (`is not a port: use 0 to 65535`). */
export type Parsed<T> = { readonly value: T } | { readonly wrong: string };

/** `host:port`. An IPv6 host is written in brackets and kept without them. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  // As Kubernetes writes them.
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
};

export function parseInteger(
  text: string,
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): Parsed<number> {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) return { wrong: "is not a whole number" };
  if (value < min || value > max) return { wrong: `is out of range: use ${range(min, max)}` };
  return { value };
}

export function parsePort(text: string): Parsed<number> {
  const port = parseInteger(text, 0, 65_535);
  return "value" in port ? port : { wrong: "is not a port: use 0 (any free one) to 65535" };
}

/** Milliseconds from `500ms`, `10s`, `1.5m`, `2h`, `7d`; parts may follow each other: `1m30s`. */
export function parseDuration(text: string): Parsed<number> {
  const wrong = {
    wrong: "is not a duration: use a number with ms, s, m, h or d, like 500ms, 10s or 1m30s",
  };
  if (text === "0") return { value: 0 };
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return wrong;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    sum += Number(number) * (DURATION_UNITS[unit ?? ""] ?? Number.NaN);
  }
  if (!Number.isSafeInteger(Math.round(sum))) return { wrong: "is too long a duration: use at most 100000000d" };
  return { value: sum };
}

/** Bytes from `1048576`, `64MiB`, `1.5GiB`, `10MB`, or the same without the B: `10Gi`. */
export function parseBytes(text: string): Parsed<number> {
  const wrong = {
    wrong: "is not a size: use bytes, or a number with KiB, MiB, GiB, TiB, kB, MB, GB or TB, like 64MiB",
  };
  const match = /^(\d+(?:\.\d+)?)\s?([A-Za-z]*)$/.exec(text);
  const unit = match?.[2] === "" ? 1 : BYTE_UNITS[match?.[2] ?? ""];
  if (match === null || unit === undefined) return wrong;
  const value = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(value) ? { value } : wrong;
}

export function parseName(text: string): Parsed<string> {
  return NAME.test(text) ? { value: text } : { wrong: `is not a name: ${NAME_FORM}` };
}

export function parseAddress(text: string): Parsed<Address> {
  const wrong = { wrong: "is not an address: use host:port, like 127.0.0.1:7070 or [::1]:7070" };
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:/[\]]+)):(\d+)$/.exec(text);
  const port = parsePort(match?.[3] ?? "");
  const host = match?.[1] ?? match?.[2];
  return host === undefined || !("value" in port) ? wrong : { value: { host, port: port.value } };
}

export function parseBoolean(text: string): Parsed<boolean> {
  const word = text.toLowerCase();
  if (["true", "1", "yes", "on"].includes(word)) return { value: true };
  if (["false", "0", "no", "off"].includes(word)) return { value: false };
  return { wrong: "is not a yes or no: use true or false" };
}

/** Parts divided by commas; empty ones do not count. */
export function parseList(text: string): Parsed<readonly string[]> {
  return {
    value: text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  };
}

/** The same, of which each is an address; they stay as they were written. */
export function parseAddressList(text: string): Parsed<readonly string[]> {
  const list = parseList(text);
  for (const each of "value" in list ? list.value : []) {
    const parsed = parseAddress(each);
    if (!("value" in parsed)) return { wrong: `is no list of addresses: "${each}" ${parsed.wrong}` };
  }
  return list;
}

export function parseSecret(text: string): Parsed<Secret<string>> {
  return { value: new Secret(text) };
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Whether only this machine can reach the host: `localhost`, 127.0.0.0/8, ::1. Names are not looked up. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  if (bare === "localhost" || bare === "::1") return true;
  return (
    /^(::ffff:)?127(\.\d{1,3}){3}$/.test(bare) &&
    bare
      .split(".")
      .slice(1)
      .every((part) => Number(part) <= 255)
  );
}

function range(min: number, max: number): string {
  if (max === Number.MAX_SAFE_INTEGER) return `${min} or more`;
  return min === Number.MIN_SAFE_INTEGER ? `${max} or less` : `${min} to ${max}`;
}
