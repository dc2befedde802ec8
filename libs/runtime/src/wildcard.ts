import { failedPrecondition } from "./errors.ts";
import { type Address, formatAddress } from "./setting-types.ts";

const EVERYWHERE = /^(0\.0\.0\.0|::|\[::\])$/;

/** Others are told where a service is reached; "everywhere" is no such place. Throws FAILED_PRECONDITION, naming the `flag` that says it. */
export function refuseWildcard(listen: Address, advertised: Address | undefined, flag: string): void {
  if (advertised !== undefined && (EVERYWHERE.test(advertised.host) || advertised.port === 0)) {
    const text = `${flag} is ${formatAddress(advertised)}, where nobody can call it: give the host:port by which others reach it`;
    throw failedPrecondition("ADVERTISE_MISSING", text);
  }
  if (advertised !== undefined || !EVERYWHERE.test(listen.host)) return;
  throw failedPrecondition(
    "ADVERTISE_MISSING",
    `it listens on ${listen.host}, where nobody can call it: ${flag} says by which host:port others reach it`,
  );
}
