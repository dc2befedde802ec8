/**
 * Tokens of the public API. A token is shown once, when it is made; the file of the master holds its SHA-256, in a line
 *
 *     <name> <role> <expires> sha256:<hex>          ci editor 2027-03-01T00:00:00.000Z sha256:9f86d0...
 *
 * SHA-256 alone is enough: a token is 256 random bits, which nobody guesses, however fast the hash.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Parsed, type Random, Secret } from "@sheaf/runtime";

/** Each may do what those before it may. */
export const USER_ROLES = ["viewer", "editor", "admin"] as const;
export type UserRole = (typeof USER_ROLES)[number];

export interface TokenLine {
  readonly name: string;
  readonly role: UserRole;
  /** Milliseconds since 1970; Infinity: `never`. */
  readonly expires: number;
  readonly sha256: Buffer;
}

/** A prefix, so that a token which lies where it should not is found. */
const PREFIX = "sheaf_";
const TOKEN = /^sheaf_[A-Za-z0-9_-]{43}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const LINES_MAX = 1_000;

export function newToken(
  given: { readonly name: string; readonly role: UserRole; readonly expires: number },
  random: Random,
): { readonly token: Secret<string>; readonly line: TokenLine } {
  const token = `${PREFIX}${Buffer.from(random.bytes(32)).toString("base64url")}`;
  return { token: new Secret(token), line: { ...given, sha256: hashOf(token) } };
}

export function isTokenName(text: string): boolean {
  return NAME.test(text);
}

export function formatLine({ name, role, expires, sha256 }: TokenLine): string {
  const until = Number.isFinite(expires) ? new Date(expires).toISOString() : "never";
  return `${name} ${role} ${until} sha256:${sha256.toString("hex")}`;
}

export interface TokenLines {
  readonly lines: readonly TokenLine[];
  /** What is wrong, with the number of the line and nothing of its contents. */
  readonly wrong: readonly string[];
}

/** Empty lines and those that begin with # do not count. A line that is wrong grants nothing. */
export function parseLines(text: string): TokenLines {
  const lines: TokenLine[] = [];
  const wrong: string[] = [];
  for (const [i, raw] of text.split("\n").entries()) {
    const trimmed = raw.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const parsed = parseLine(trimmed);
    if ("wrong" in parsed) wrong.push(`line ${i + 1} ${parsed.wrong}`);
    else if (lines.some(({ name }) => name === parsed.value.name)) wrong.push(`line ${i + 1} has a name that is taken`);
    else if (lines.length === LINES_MAX) wrong.push(`line ${i + 1} is one too many: at most ${LINES_MAX}`);
    else lines.push(parsed.value);
  }
  return { lines, wrong };
}

function parseLine(text: string): Parsed<TokenLine> {
  const [name = "", role, until = "", hash = "", ...more] = text.split(/\s+/);
  const expires = until === "never" ? Number.POSITIVE_INFINITY : expiryOf(until);
  const hex = /^sha256:([0-9a-f]{64})$/.exec(hash)?.[1];
  const isRole = USER_ROLES.some((known) => known === role);
  if (!NAME.test(name) || !isRole || Number.isNaN(expires) || hex === undefined || more.length > 0) {
    return {
      wrong: "is not `<name> <viewer|editor|admin> <time or never> sha256:<hex>`: `sheaf token create` prints one",
    };
  }
  return { value: { name, role: role as UserRole, expires, sha256: Buffer.from(hex, "hex") } };
}

/** A whole time in UTC: what a reader could take for another time is none. */
function expiryOf(text: string): number {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) ? Date.parse(text) : Number.NaN;
}

/** The line of a token. All lines are compared, each in constant time. */
export function lineOf<L extends TokenLine>(token: Secret<string>, lines: readonly L[]): L | undefined {
  if (!TOKEN.test(token.reveal())) return undefined;
  const hash = hashOf(token.reveal());
  let found: L | undefined;
  for (const line of lines) if (timingSafeEqual(line.sha256, hash)) found = line;
  return found;
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
