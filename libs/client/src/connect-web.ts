/** A cluster as a page in a browser sees it. */
import { sha256 } from "@noble/hashes/sha2.js";
import { publicConnection } from "@sheaf/rpc";
import { invalidArgument, type Secret, systemClock, systemRandom } from "@sheaf/runtime";
import { type CallsOptions, callsOf, type SheafCalls } from "./calls.ts";
import { servicesOf } from "./services.ts";
import { refusePlainText, tokenOf } from "./token.ts";

export interface ConnectOptions extends CallsOptions {
  /** Says who calls: what `sheaf token create` printed. */
  readonly token?: Secret<string> | string;
}

/**
 * A client of the cluster at `address` ("https://host:port", with a path if it is found below one). It connects with the first call. The
 * cluster has to name the page's origin in SHEAF_BROWSER_ORIGINS. INVALID_ARGUMENT when it is no such address.
 */
export function connect(address: string, options: ConnectOptions = {}): SheafCalls {
  const { token: given, ...more } = options;
  const { clock = systemClock, random = systemRandom } = more;
  const { url, isPlain, host } = readUrl(address);
  const token = tokenOf(given, "the token");
  if (token !== undefined && isPlain) refusePlainText(url, host, "give the address as https://");
  const connection = publicConnection(url, { ...more, ...(token && { token }) });
  return callsOf(connection, { rpc: servicesOf(connection), clock, random, sha256: () => sha256.create() });
}

function readUrl(address: string) {
  const { protocol = "", origin = "", pathname = "", search = "", hash = "", hostname = "" } = URL.parse(address) ?? {};
  if (/^https?:$/.test(protocol) && search === "" && hash === "") {
    return { url: `${origin}${pathname.replace(/\/$/, "")}`, isPlain: protocol === "http:", host: hostname };
  }
  const wrong = "is not an address: in a browser use https://host:port, or http://127.0.0.1:port";
  throw invalidArgument("ADDRESS_INVALID", `address ${JSON.stringify(address)} ${wrong}`, {
    details: [{ field: "address", description: wrong }],
  });
}
