/** One message for every way in which a peer cannot be reached. */
import { type SheafError, unavailable } from "@sheaf/runtime";

const PLAIN_WORDS: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, "connection refused: nothing listens there"],
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, "the host name is not known"],
  [/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/, "no answer from the host"],
  [/ECONNRESET|EPIPE|GOAWAY|Connection dropped|closed|destroyed|missing|abort|cancel/i, "the connection broke"],
];

/** UNAVAILABLE, with the address and what to check. `detail`, what the library said, is put in plain words. */
export function unreachable(address: string, detail: string, cause?: unknown): SheafError {
  const plain = PLAIN_WORDS.find(([pattern]) => pattern.test(detail))?.[1] ?? detail;
  return unavailable(
    "UNREACHABLE",
    `cannot reach ${address} (${plain}); check that the service runs and that the address is right`,
    { metadata: { address }, ...(cause === undefined ? {} : { cause }) },
  );
}
