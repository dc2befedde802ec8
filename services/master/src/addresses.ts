// Settings that are lists of addresses: a word that is none would match nobody, without a word to anybody.

import { invalidArgument, parseAddress } from "@sheaf/runtime";

/** INVALID_ARGUMENT, SETTING_INVALID: what a browser never says (it sends scheme, host and port, and no path). */
export function requireOrigins(origins: readonly string[]): void {
  for (const each of origins) {
    const url = URL.canParse(each) ? new URL(each) : undefined;
    if (url !== undefined && /^https?:$/.test(url.protocol) && url.origin === each) continue;
    throw invalid("--browser-origins", each, "use origins as browsers say them, like https://console.example:8443");
  }
}

/** INVALID_ARGUMENT, SETTING_INVALID. */
export function requireAddresses(flag: string, addresses: readonly string[]): void {
  for (const each of addresses) {
    const parsed = parseAddress(each);
    if (!("value" in parsed)) throw invalid(flag, each, parsed.wrong);
  }
}

function invalid(flag: string, value: string, wrong: string) {
  return invalidArgument("SETTING_INVALID", `${flag}: ${JSON.stringify(value)}: ${wrong}`);
}
