/** What a simulated worker says, as messages. */
import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import type { ToOwner } from "./link.ts";
import { tableRef, WORK_KIND } from "./sim-store.ts";
import type { Cut, WorkerClaim } from "./worker-claim.ts";

export function hello(worker: string, slots: number, claims: readonly WorkerClaim[]): dispatch.Hello {
  const holds = claims.map(({ job, kind, id, fence, from, to }) => {
    return { job, kind: WORK_KIND[kind], claim: id, fence, from: BigInt(from), to: BigInt(to) };
  });
  return create(dispatch.HelloSchema, { worker, pool: "pipe", version: "0.1.0", slots, holds });
}

/** Claims and backups, with what runs of each. */
export function beat(now: number, held: readonly WorkerClaim[], claimsElsewhere: number, heard: number): dispatch.Beat {
  const claims = held.map(({ id, next, to, finished, running }) => ({
    claim: id,
    next: BigInt(Math.min(next, to)),
    finished: BigInt(finished),
    running: [...running].map(([index, since]) => {
      return { index: BigInt(index), runningMs: BigInt(Math.floor(now - since)) };
    }),
  }));
  return create(dispatch.BeatSchema, { claims, claimsElsewhere, heard: BigInt(heard) });
}

export function want(claims: number): ToOwner {
  return { case: "want", value: create(dispatch.WantSchema, { claims }) };
}

export function commit(claim: WorkerClaim, { from, to, attempt }: Cut, fence: bigint, msPerIndex: number): ToOwner {
  const failed = claim.failedIn(from, to);
  const totals = create(dispatch.TotalsSchema, {
    succeeded: BigInt(to - from - failed),
    failed: BigInt(failed),
    processMs: BigInt((to - from) * msPerIndex),
    medianMs: BigInt(msPerIndex),
  });
  const interval = { from: BigInt(from), to: BigInt(to) };
  const value = { claim: claim.id, fence, ...interval, attempt, result: tableRef(attempt), totals };
  return { case: "commit", value: create(dispatch.CommitSchema, value) };
}

export function released(claim: string, from: number): ToOwner {
  return { case: "released", value: create(dispatch.ReleasedSchema, { claim, from: BigInt(from) }) };
}

export function tryFailed(claim: string, index: number, tries: number): ToOwner {
  return { case: "tryFailed", value: create(dispatch.TryFailedSchema, { claim, index: BigInt(index), tries }) };
}

export function leaving(): ToOwner {
  return { case: "leaving", value: create(dispatch.LeavingSchema) };
}
