// The address that callers from outside are given: a master in a pod knows only its own, which they cannot reach.

import { invalidArgument } from "@sheaf/runtime";

/** "https://sheaf.example.com:7450", without the slash that people put behind it. INVALID_ARGUMENT: SETTING_INVALID. */
export function readPublicUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url?.protocol === "https:" || url?.protocol === "http:";
  if (url !== undefined && isWeb && (text === url.origin || text === `${url.origin}/`)) return url.origin;
  throw invalidArgument(
    "SETTING_INVALID",
    `--public-url is ${JSON.stringify(text)}: use http:// or https://, a host and a port, like https://sheaf.example.com:7450`,
  );
}
