/** One message for every way in which a peer cannot be reached. */
import { type SheafError, unavailable } from "@sheaf/runtime";

type Words = readonly (readonly [RegExp, string])[];

/** What is wrong with TLS, whatever the library calls the error. */
const TLS_WORDS: Words = [
  [/WRONG_SERVER: (.*)/, "$1"],
  [
    /CERT_HAS_EXPIRED|certificate has expired/i,
    "its certificate has expired: `sheaf certificates --renew` makes new ones",
  ],
  [/CERT_NOT_YET_VALID|not yet valid/i, "its certificate is not valid yet: does the clock of this machine go right?"],
  [
    /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|CERT_SIGNATURE_FAILURE|self-signed certificate|unable to (verify|get (local )?issuer)|certificate signature failure/i,
    "its certificate is not signed by the authority that is trusted here: SHEAF_CA, or --tls-ca, names the CA file of the cluster",
  ],
  [/ERR_TLS_CERT_ALTNAME_INVALID/, "its certificate is for another host name"],
  [
    /alert (number 116|certificate required)|CERTIFICATE_REQUIRED/i,
    "it wants a certificate: give --tls-cert, --tls-key and --tls-ca",
  ],
  [
    /alert (unknown ca|bad certificate|certificate expired)|ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_EXPIRED)/i,
    "it refused our certificate: is it of this cluster, and not expired?",
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|wrong version number|packet length too long/i,
    "it speaks plain text, not TLS: leave out https:// and SHEAF_CA",
  ],
];

const PLAIN_WORDS: Words = [
  ...TLS_WORDS,
  [/ECONNREFUSED/, "connection refused: nothing listens there"],
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, "the host name is not known"],
  [/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/, "no answer from the host"],
  [
    /Failed to connect/,
    "it ends connections as they begin: do both sides speak TLS, and is our certificate good there?",
  ],
  // Chromium's words, Firefox's, Safari's, Node's; first for what never began.
  [/^(Failed to fetch|NetworkError|Load failed|fetch failed)/, "the browser says no more"],
  [/^(network error|Error in input stream|The network connection was lost|terminated)/, "the connection broke"],
  [/ECONNRESET|EPIPE|GOAWAY|Connection dropped|closed|destroyed|missing|abort|cancel/i, "the connection broke"],
];

/** Whether a connection failed for what one side says or believes in TLS. */
export function isTlsTrouble(detail: string): boolean {
  return TLS_WORDS.some(([pattern]) => pattern.test(detail));
}

/** UNAVAILABLE, with the address and what to check. `detail`, what the library said, is put in plain words. */
export function unreachable(address: string, detail: string, cause?: unknown, hint = ""): SheafError {
  const text = `cannot reach ${address} (${plainWords(detail)}); check that the service runs and that the address is right${hint}`;
  const more = { metadata: { address }, ...(cause === undefined ? {} : { cause }) };
  // To try again gives the same until somebody changes a file.
  if (isTlsTrouble(detail)) return unavailable("TLS_FAILED", text, more);
  return unavailable("UNREACHABLE", text, more);
}

function plainWords(detail: string): string {
  for (const [pattern, words] of PLAIN_WORDS) {
    const found = pattern.exec(detail);
    if (found !== null) return words.replace("$1", found[1] ?? "");
  }
  return detail;
}
