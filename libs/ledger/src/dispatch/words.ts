// What an owner says to a worker, as messages.

import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import { WORK_KIND } from "../ledger-records.ts";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";
import type { Word } from "./worker-session.ts";

export function assign(ledger: EtcdLedger, claim: string, fence: bigint, start: number, end: number): Word {
  const { job, kind } = ledger.name;
  const [from, to] = [BigInt(start), BigInt(end)];
  const value = { claim, fence, job, kind: WORK_KIND[kind], from, to, input: ledger.input };
  return { case: "assign", value: create(dispatch.AssignSchema, value) };
}

export function cancel(claim: string, reason: dispatch.CancelReason): Word {
  return { case: "cancel", value: create(dispatch.CancelSchema, { claim, reason }) };
}

export function drain(): Word {
  return { case: "drain", value: create(dispatch.DrainSchema) };
}

export function ownerBeat(cutIntervalMs: number): Word {
  return { case: "beat", value: create(dispatch.OwnerBeatSchema, { cutIntervalMs }) };
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
