// What an owner says to a worker, as messages.

import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import { WORK_KIND } from "../ledger-records.ts";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";
import type { Word } from "./worker-session.ts";

export function assign(ledger: EtcdLedger, claim: string, fence: bigint, start: number, end: number): Word {
  const { job, kind } = ledger.name;
  const [from, to] = [BigInt(start), BigInt(end)];
  const prior = ledger.attempts.prior(start, end).map((one) => ({ ...one, index: BigInt(one.index) }));
  const value = { claim, fence, job, kind: WORK_KIND[kind], from, to, input: ledger.input, prior };
  return { case: "assign", value: create(dispatch.AssignSchema, value) };
}

export function race(ledger: EtcdLedger, claim: string, fence: bigint, at: number): Word {
  const { job, kind } = ledger.name;
  const index = BigInt(at);
  const [known] = ledger.attempts.prior(at, at + 1);
  const prior = known === undefined ? {} : { prior: { ...known, index } };
  const value = { claim, fence, job, kind: WORK_KIND[kind], index, input: ledger.input, ...prior };
  return { case: "race", value: create(dispatch.RaceSchema, value) };
}

export function release(claim: string, from: number): Word {
  return { case: "release", value: create(dispatch.ReleaseSchema, { claim, from: BigInt(from) }) };
}

/** The whole claim, or one index of it. */
export function cancel(claim: string, reason: dispatch.CancelReason, index?: number): Word {
  const one = index === undefined ? {} : { index: BigInt(index) };
  return { case: "cancel", value: create(dispatch.CancelSchema, { claim, reason, ...one }) };
}

export function drain(): Word {
  return { case: "drain", value: create(dispatch.DrainSchema) };
}

export function ownerBeat(cutIntervalMs: number, follow: number): Word {
  return { case: "beat", value: create(dispatch.OwnerBeatSchema, { cutIntervalMs, follow }) };
}

export function welcome(
  session: string,
  beatIntervalMs: number,
  cutIntervalMs: number,
  stand: dispatch.HeldClaim[],
): Word {
  const value = { session, beatIntervalMs, cutIntervalMs, stand };
  return { case: "welcome", value: create(dispatch.WelcomeSchema, value) };
}
