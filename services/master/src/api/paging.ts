// Pages of lists. A token is opaque to clients: the kind of the list and where it goes on. A token of another list, or one
// that is not a token, is refused.

import type { api } from "@sheaf/proto";
import { invalidArgument } from "@sheaf/runtime";
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, PAGE_TOKEN_CHARS_MAX } from "./limits.ts";
import { Violations } from "./violations.ts";

export interface PageAsked {
  readonly size: number;
  /** What the token of the page before said; undefined for the first page. */
  readonly after: string | undefined;
}

const SEPARATOR = "\n";

export function readPage(page: api.Page | undefined, list: string): PageAsked {
  const size = page?.size ?? 0;
  const violations = new Violations();
  violations.require(size <= PAGE_SIZE_MAX, "page.size", `is ${size}: use 1 to ${PAGE_SIZE_MAX}`);
  violations.throwIfAny("PAGE_INVALID", "the request is not valid");
  const token = page?.token ?? "";
  return { size: size === 0 ? PAGE_SIZE_DEFAULT : size, after: token === "" ? undefined : readToken(token, list) };
}

export function pageToken(list: string, after: string): string {
  return Buffer.from(list + SEPARATOR + after).toString("base64url");
}

function readToken(token: string, list: string): string {
  const text = token.length <= PAGE_TOKEN_CHARS_MAX ? Buffer.from(token, "base64url").toString() : "";
  const [kind, ...rest] = text.split(SEPARATOR);
  const after = rest.join(SEPARATOR);
  // Written again it must be the same text: base64 ignores what it cannot read.
  if (kind === list && after !== "" && pageToken(list, after) === token) return after;
  throw tokenInvalid();
}

export function tokenInvalid(): Error {
  return invalidArgument("PAGE_TOKEN_INVALID", "page.token is not a token of this list: begin again without one", {
    details: [{ field: "page.token", description: "not a token of this list" }],
  });
}
