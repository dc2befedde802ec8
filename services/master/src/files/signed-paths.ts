// Addresses of files: which commit, which path, until when, and a signature over all of it. Pure.
//
//     /files/<repo>/<commit>/<path>?expires=<seconds since 1970>&signature=<HMAC-SHA256, base64url>

import { createHmac, timingSafeEqual } from "node:crypto";

export const FILES_PREFIX = "/files/";

export interface SignedFile {
  readonly repo: string;
  readonly commit: string;
  /** "/a/b". */
  readonly path: string;
  /** Seconds since 1970. */
  readonly expires: number;
}

export type ReadFile = { readonly kind: "good"; readonly file: SignedFile } | { readonly kind: "forged" | "expired" };

/** Path and query. */
export function signedPath(file: SignedFile, key: Uint8Array): string {
  const escaped = file.path.split("/").map(encodeURIComponent).join("/");
  const query = `expires=${file.expires}&signature=${signature(file, key).toString("base64url")}`;
  return `${FILES_PREFIX}${file.repo}/${file.commit}${escaped}?${query}`;
}

export function readSignedPath(path: string, query: URLSearchParams, key: Uint8Array, nowSeconds: number): ReadFile {
  const [, repo = "", commit = "", escaped = ""] = /^\/files\/([^/]+)\/([^/]+)(\/.+)$/.exec(path) ?? [];
  const file = { repo, commit, path: unescaped(escaped), expires: Number(query.get("expires")) };
  const given = Buffer.from(query.get("signature") ?? "", "base64url");
  const wanted = signature(file, key);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return { kind: "forged" };
  return file.expires > nowSeconds ? { kind: "good", file } : { kind: "expired" };
}

function signature({ repo, commit, path, expires }: SignedFile, key: Uint8Array): Buffer {
  // None of the parts can hold a newline: what is signed reads in one way only.
  return createHmac("sha256", key)
    .update(["sheaf file", repo, commit, path, String(expires)].join("\n"))
    .digest();
}

function unescaped(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return ""; // no signature is over an empty path
  }
}
