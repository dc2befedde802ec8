import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ContainerJson, PodJson } from "./pod-json.ts";
import { viewOf } from "./pod-view.ts";

type Status = NonNullable<PodJson["status"]>;

const waiting = (reason: string, message?: string, rest: Partial<ContainerJson> = {}): Status => ({
  initContainerStatuses: [{ name: "install", state: { terminated: { exitCode: 0 } } }],
  containerStatuses: [
    { name: "agent", state: { running: {} } },
    { name: "user-0", image: "no/such:1", state: { waiting: { reason, ...(message && { message }) } }, ...rest },
  ],
});
const ended = (exitCode: number, rest: object = {}): Status => ({
  containerStatuses: [{ name: "agent", state: { terminated: { exitCode, ...rest } } }],
});

function failedWith(exitCode: number) {
  return { terminated: { exitCode } };
}

function view(status: Status, metadata: Partial<PodJson["metadata"]> = {}) {
  const labels = { "sheaf.dev/worker": "w1", "sheaf.dev/pipeline": "words" };
  return viewOf({ metadata: { name: "sheaf-worker-w1", uid: "u", labels, ...metadata }, status });
}

const troubles: readonly [string, Status, RegExp | undefined][] = [
  ["nothing yet", {}, undefined],
  ["being created", waiting("PodInitializing"), undefined],
  [
    "no node has room",
    {
      conditions: [
        {
          type: "PodScheduled",
          status: "False",
          reason: "Unschedulable",
          message: "0/3 nodes are available: 3 Insufficient cpu.",
        },
      ],
    },
    /^no node can take its pod: 0\/3 nodes .*lower resource_requests/,
  ],
  ["no scheduler has looked", { conditions: [{ type: "PodScheduled", status: "False", reason: "" }] }, undefined],
  [
    "no such image",
    waiting("ErrImagePull", 'pull access denied\nfor "no/such"'),
    /^image "no\/such:1" cannot be pulled: pull access denied for .*image_pull_secrets$/,
  ],
  ["again", waiting("ImagePullBackOff"), /cannot be pulled; correct transform.image/],
  ["a bad name", waiting("InvalidImageName"), /is no name of an image/],
  [
    "a missing secret",
    waiting("CreateContainerConfigError", 'secret "db" not found'),
    /^secret "db" not found: make it/,
  ],
  ["a word that is a property of objects", waiting("constructor"), undefined],
  [
    "a crash loop",
    waiting("CrashLoopBackOff", "back-off", {
      restartCount: 5,
      lastState: { terminated: { exitCode: 127, message: "not\x1b[31m found" } },
    }),
    /^its container user-0 ends again and again \(exit code 127: not\?\[31m found\): look at transform.image$/,
  ],
  [
    "out of memory again and again",
    waiting("CrashLoopBackOff", "", { lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } } }),
    /out of memory\): raise resource_limits.memory/,
  ],
  [
    "ended once, and runs",
    {
      containerStatuses: [
        { name: "user-0", restartCount: 9, state: { running: {} }, lastState: { terminated: { exitCode: 1 } } },
      ],
    },
    undefined,
  ],
  [
    "what prepares it fails again and again",
    {
      initContainerStatuses: [
        {
          name: "install",
          restartCount: 5,
          state: { waiting: { reason: "CrashLoopBackOff" } },
          lastState: { terminated: { exitCode: 1, message: "no space" } },
        },
      ],
    },
    /^its container install ends again and again \(exit code 1: no space\): look at its node$/,
  ],
  [
    "its agent waits for its end after the first one",
    {
      containerStatuses: [
        {
          name: "agent",
          restartCount: 9,
          state: { waiting: { reason: "CrashLoopBackOff" } },
          lastState: failedWith(3),
        },
      ],
    },
    undefined,
  ],
];

const taint = {
  type: "DisruptionTarget",
  status: "True",
  reason: "DeletionByTaintManager",
  message: "Taint manager: deleting",
};
const ends: readonly [string, Status, Partial<PodJson["metadata"]>, unknown][] = [
  ["runs", { phase: "Running", containerStatuses: [{ name: "agent", state: { running: {} } }] }, {}, undefined],
  [
    "its own failure",
    ended(3, { message: "out of luck" }),
    {},
    { code: 3, logTail: "out of luck", why: undefined, taken: false },
  ],
  [
    "the worker is out of memory",
    ended(137, { reason: "OOMKilled" }),
    {},
    {
      code: 137,
      logTail: "",
      why: "out of memory in the worker itself, not in a command: raise sidecar_resource_limits.memory",
      taken: false,
    },
  ],
  [
    "somebody deleted it",
    ended(143),
    { deletionTimestamp: "2026-01-01T00:00:00Z" },
    { code: 143, logTail: "", why: "its pod was deleted", taken: true },
  ],
  [
    "its node was drained",
    { ...ended(143), conditions: [taint] },
    {},
    { code: 143, logTail: "", why: "the cluster took its pod away: Taint manager: deleting", taken: true },
  ],
  [
    "it used too much disk: its own fault",
    { phase: "Failed", reason: "Evicted", message: "Pod ephemeral local storage usage exceeds the total limit" },
    {},
    {
      code: undefined,
      logTail: "",
      why: "it was evicted: Pod ephemeral local storage usage exceeds the total limit; raise resource_limits.disk, or sidecar_resource_limits.disk for the worker itself",
      taken: false,
    },
  ],
  [
    "the node refused it",
    { phase: "Failed", reason: "OutOfcpu", message: "Node didn't have enough resource" },
    {},
    {
      code: undefined,
      logTail: "",
      why: "the node refused it: OutOfcpu Node didn't have enough resource",
      taken: false,
    },
  ],
  [
    "its agent was started again: the first end counts",
    { containerStatuses: [{ name: "agent", restartCount: 1, state: { running: {} }, lastState: failedWith(3) }] },
    {},
    { code: 3, logTail: "", why: undefined, taken: false },
  ],
  [
    "its agent was started again, and told to end",
    { containerStatuses: [{ name: "agent", restartCount: 1, state: failedWith(143), lastState: failedWith(0) }] },
    {},
    { code: 0, logTail: "", why: undefined, taken: false },
  ],
];

describe("viewOf()", () => {
  for (const [name, status, says] of troubles) {
    it(`trouble: ${name}`, () => {
      const { trouble } = view(status);
      if (says === undefined) assert.equal(trouble, undefined);
      else assert.match(trouble ?? "", says);
    });
  }

  for (const [name, status, metadata, expected] of ends) {
    it(`end: ${name}`, () => assert.deepEqual(view(status, metadata).end, expected));
  }

  it("says nothing of what is no pod of ours, but that it is none", () => {
    const strange = [
      null,
      5,
      {},
      { metadata: {} },
      { metadata: { name: "x", labels: {} } },
      { metadata: { name: 5, labels: [] } },
    ];
    for (const object of strange) assert.throws(() => viewOf(object));
  });
});
