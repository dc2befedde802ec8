// The setting of the web pages that may call: one that is written as no browser says it would match nobody, and nobody would hear of it.

import { invalidArgument } from "@sheaf/runtime";

/** INVALID_ARGUMENT, SETTING_INVALID. */
export function requireOrigins(origins: readonly string[]): void {
  for (const each of origins) {
    const url = URL.canParse(each) ? new URL(each) : undefined;
    if (url !== undefined && /^https?:$/.test(url.protocol) && url.origin === each) continue;
    const use = "use origins as browsers say them, like https://console.example:8443";
    throw invalidArgument("SETTING_INVALID", `--browser-origins: ${JSON.stringify(each)} matches no page: ${use}`);
  }
}
