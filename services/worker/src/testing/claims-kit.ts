// Claims for tests.

import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { ClaimBook } from "../claims/book.ts";
import type { Assigned, Kind, Owner, Pace } from "../claims/terms.ts";

const input = create(store.ObjectRefSchema, { key: "work/x", size: 1n });

/** Whatever is finished is cut. */
export const NOW: Pace = { cutIntervalMs: 0, cutBytes: 1 };

export function assigned(
  id: string,
  from: number,
  to: number,
  kind: Kind = "process",
  owner: Owner = "master",
): Assigned {
  return { owner, id, fence: 7n, job: "job", kind, from, to, input, prior: new Map(), isRace: false };
}

export function race(id: string, index: number, kind: Kind = "process"): Assigned {
  return { ...assigned(id, index, index + 1, kind), isRace: true };
}

export function newBook(): ClaimBook {
  let attempts = 0;
  return new ClaimBook(() => `attempt-${++attempts}`);
}
