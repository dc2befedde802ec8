import assert from "node:assert/strict";

/**
 * What is promised, on a machine with time to spare: from the kubelet's kill of a worker to its datums in other hands; from a commit to
 * the first pod that is asked for, and to the first command, with the image on the node, all of it and what of it is ours (all but
 * from the pod's being asked for to its agent's process); from there to all pods that are asked for; an idle pod's going; a bad image's
 * being told. Each test prints what it took, and fails at `SLACK` times that: test machines are busy.
 */
const PROMISED_MS = {
  elsewhere: 3_000,
  asked: 500,
  firstDatum: 4_000,
  ours: 500,
  allAsked: 1_500,
  idleGone: 10_000,
  badImage: 10_000,
};
const SLACK = 3;

export function within(what: keyof typeof PROMISED_MS, tookMs: number): void {
  const limitMs = PROMISED_MS[what] * SLACK;
  assert.ok(tookMs <= limitMs, `${what}: ${tookMs} ms, more than ${limitMs}`);
}
