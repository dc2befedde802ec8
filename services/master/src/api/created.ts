// "Created since, created before": the filter by time that lists have.

import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Violations } from "./violations.ts";

interface Asked {
  readonly createdSince?: Timestamp | undefined;
  readonly createdBefore?: Timestamp | undefined;
}

/** Whether something that was created then is asked for. INVALID_ARGUMENT for what is no time. */
export function readCreated({ createdSince, createdBefore }: Asked): (created: Timestamp | undefined) => boolean {
  const violations = new Violations();
  const since = readTime(violations, "created_since", createdSince);
  const before = readTime(violations, "created_before", createdBefore);
  violations.throwIfAny("TIME_INVALID", "the request is not valid");
  return (created) => {
    const at = created === undefined ? 0 : timestampMs(created);
    return (since === undefined || at >= since) && (before === undefined || at < before);
  };
}

function readTime(violations: Violations, field: string, time: Timestamp | undefined): number | undefined {
  if (time === undefined) return undefined;
  const isTime = time.nanos >= 0 && time.nanos < 1e9 && time.seconds >= 0n && time.seconds < 253_402_300_800n;
  violations.require(isTime, field, "is no time from 1970 to 9999");
  return isTime ? timestampMs(time) : undefined;
}
