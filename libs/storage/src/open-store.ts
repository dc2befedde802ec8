/** Picks the driver for a store's address. */
import { fileURLToPath } from "node:url";
import { invalidArgument } from "@sheaf/runtime";
import { type LocalStoreOptions, localStore } from "./local-store.ts";
import { parseS3Address } from "./s3/s3-address.ts";
import type { S3Options } from "./s3/s3-connection.ts";
import type { Store } from "./store.ts";

/** Each driver takes what is its own. */
export type StoreOptions = LocalStoreOptions & S3Options;

/**
 * Opens the store at `file:///dir` or `s3://bucket/prefix?endpoint=...`. Throws INVALID_ARGUMENT STORE_URL for anything that is
 * not an address of a store, and what the drivers throw.
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<Store> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === "s3:") return openS3(parsed, options);
  if (parsed?.protocol !== "file:" || parsed.host !== "" || parsed.search !== "" || parsed.hash !== "") {
    throw invalidArgument(
      "STORE_URL",
      `"${url}" is not the address of a store; give file:///some/folder (three slashes) or s3://bucket/prefix`,
    );
  }
  return localStore(fileURLToPath(parsed), options);
}

async function openS3(url: URL, options: S3Options): Promise<Store> {
  const address = parseS3Address(url);
  // The SDK takes a fifth of a second to load: only who has a store in S3 shall wait for it.
  const { s3Store } = await import("./s3/s3-store.ts");
  return s3Store(address, options);
}
