/** Which etcd servers we can trust. Older ones lose leases or watch events, or answer reads with stale data. */
import { failedPrecondition, type SheafError } from "@sheaf/runtime";

/** For each minor version the first release without those bugs; later minors are fine from their first. */
const OLDEST: Readonly<Record<string, number>> = { "3.5": 33, "3.6": 14 };
const OLDEST_TEXT = "3.6.14 (or 3.5.33)";

export function isSupportedVersion(version: string): boolean {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (match === null) return false;
  const [major, minor, patch] = match.slice(1).map(Number) as [number, number, number];
  const oldest = OLDEST[`${major}.${minor}`];
  return oldest === undefined ? major > 3 || (major === 3 && minor > 6) : patch >= oldest;
}

export function oldVersionError(version: string, where: string): SheafError {
  return failedPrecondition(
    "ETCD_TOO_OLD",
    `etcd ${version} (${where}) is too old: it can lose leases or events; use ${OLDEST_TEXT} or newer`,
    { metadata: { version, where } },
  );
}
