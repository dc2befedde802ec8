import { failedPrecondition } from "./errors.ts";
import type { Address } from "./setting-types.ts";

/** Others are told where a service is reached; "everywhere" is no such place. Throws FAILED_PRECONDITION, naming the `flag` that says it. */
export function refuseWildcard(listen: Address, advertised: Address | undefined, flag: string): void {
  if (advertised !== undefined || !/^(0\.0\.0\.0|::|\[::\])$/.test(listen.host)) return;
  throw failedPrecondition(
    "ADVERTISE_MISSING",
    `it listens on ${listen.host}, where nobody can call it: ${flag} says by which host:port others reach it`,
  );
}
