/** Picks the driver for a store's address. */
import { fileURLToPath } from "node:url";
import { invalidArgument, unimplemented } from "@sheaf/runtime";
import { type LocalStoreOptions, localStore } from "./local-store.ts";
import type { Store } from "./store.ts";

/**
 * Opens the store at `file:///dir`. Throws INVALID_ARGUMENT STORE_URL for anything that is not an address of a store, and
 * UNIMPLEMENTED STORE_KIND for kinds that this version has no driver for.
 */
export async function openStore(url: string, options: LocalStoreOptions = {}): Promise<Store> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === "s3:") {
    throw unimplemented("STORE_KIND", `${url}: stores in S3 are not implemented yet; use file:///some/folder`);
  }
  if (parsed?.protocol !== "file:" || parsed.host !== "" || parsed.search !== "" || parsed.hash !== "") {
    throw invalidArgument(
      "STORE_URL",
      `"${url}" is not the address of a store; give file:///some/folder (three slashes)`,
    );
  }
  return localStore(fileURLToPath(parsed), options);
}
