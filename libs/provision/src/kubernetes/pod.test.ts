import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { V1Container, V1Pod } from "@kubernetes/client-node";
import { NO_NEEDS, NO_RESOURCES, type WorkerNeeds } from "../needs.ts";
import { type PodSettings, podOf } from "./pod.ts";

const SETTINGS: PodSettings = {
  cluster: "prod",
  namespace: "sheaf-workers",
  image: "sheaf:1",
  defaultImage: "busybox:1",
  secret: "sheaf-worker",
  allowRoot: false,
};

function pod(needs: Partial<WorkerNeeds> = {}, settings: Partial<PodSettings> = {}, slots = 1): V1Pod {
  return podOf({ ...SETTINGS, ...settings }, "words", {
    ...{ id: "0a1b", slots, masters: ["m:1", "m:2"], mergers: ["g:1"], store: "s3://bucket/a?x=1" },
    needs: { ...NO_NEEDS, ...needs },
  });
}

const containers = ({ spec }: V1Pod): V1Container[] => [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
const named = (made: V1Pod, name: string) => containers(made).find((each) => each.name === name) ?? assert.fail(name);
const agent = (made: V1Pod) => named(made, "agent");
const user = (made: V1Pod) => named(made, "user-0");
const GPU = { type: "nvidia.com/gpu", number: 2 };

/** What a need is, and what of the pod it becomes. */
const table: readonly [string, Partial<WorkerNeeds>, (made: V1Pod) => unknown, unknown][] = [
  ["no image", {}, (made) => user(made).image, "busybox:1"],
  ["an image", { image: "python:3" }, (made) => [user(made).image, agent(made).image], ["python:3", "sheaf:1"]],
  ["pull secrets", { imagePullSecrets: ["reg"] }, (made) => made.spec?.imagePullSecrets, [{ name: "reg" }]],
  [
    "requests and limits of a slot",
    {
      requests: { cpu: 0.5, memoryBytes: 1024, diskBytes: 2048, gpu: undefined },
      limits: { cpu: 2, memoryBytes: 4096, diskBytes: 0, gpu: GPU },
    },
    (made) => user(made).resources,
    {
      requests: { cpu: "500m", memory: "1024", "ephemeral-storage": "2048", "nvidia.com/gpu": "2" },
      limits: { cpu: "2000m", memory: "4096", "nvidia.com/gpu": "2" },
    },
  ],
  [
    "a limit of disk: reserves nothing, and leaves room for the worker's own files",
    { limits: { ...NO_RESOURCES, diskBytes: 1024 ** 3 } },
    (made) => [user(made).resources, agent(made).resources?.limits],
    [
      { requests: { "ephemeral-storage": "0" }, limits: { "ephemeral-storage": String(1024 ** 3) } },
      { "ephemeral-storage": String(20 * 1024 ** 3) },
    ],
  ],
  [
    "requests of the worker itself: a default",
    {},
    (made) => agent(made).resources,
    { requests: { cpu: "100m", memory: String(256 * 1024 ** 2) } },
  ],
  [
    "a limit of the worker itself below the default request",
    { workerLimits: { ...NO_RESOURCES, cpu: 0.05, memoryBytes: 200 * 1024 ** 2 } },
    (made) => agent(made).resources,
    {
      requests: { cpu: "50m", memory: String(200 * 1024 ** 2) },
      limits: { cpu: "50m", memory: String(200 * 1024 ** 2) },
    },
  ],
  ["a node selector", { nodeSelector: { zone: "a" } }, (made) => made.spec?.nodeSelector, { zone: "a" }],
  ["a priority class", { priorityClassName: "low" }, (made) => made.spec?.priorityClassName, "low"],
  [
    "tolerations",
    {
      tolerations: [
        { key: "gpu", operator: "", value: "yes", effect: "NoSchedule", seconds: undefined },
        { key: "", operator: "Exists", value: "", effect: "NoExecute", seconds: 5 },
      ],
    },
    (made) => made.spec?.tolerations,
    [
      { key: "gpu", operator: "Equal", value: "yes", effect: "NoSchedule" },
      { operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 },
    ],
  ],
  [
    "a secret as a variable",
    { secrets: [{ name: "db", key: "password", mountPath: "", envVar: "PASSWORD" }] },
    (made) => [user(made).env, agent(made).env?.some(({ name }) => name === "PASSWORD"), made.spec?.volumes?.length],
    [[{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }], false, 4],
  ],
  [
    "a secret as files, for the command alone",
    { secrets: [{ name: "db", key: "cert", mountPath: "/etc/db", envVar: "" }] },
    (made) => [
      made.spec?.volumes?.find(({ name }) => name === "secret-0"),
      containers(made)
        .filter(({ volumeMounts }) => volumeMounts?.some(({ name }) => name === "secret-0"))
        .map(({ name }) => name),
      user(made).volumeMounts?.at(-1),
    ],
    [
      { name: "secret-0", secret: { secretName: "db", defaultMode: 0o440, items: [{ key: "cert", path: "cert" }] } },
      ["user-0"],
      { name: "secret-0", mountPath: "/etc/db", readOnly: true },
    ],
  ],
  [
    "variables, byte for byte",
    { env: { A: "$(HOME) $$" } },
    (made) => user(made).env,
    [{ name: "A", value: "$$(HOME) $$" }],
  ],
  [
    "a user",
    { user: "1000" },
    ({ spec }) => [spec?.securityContext?.runAsUser, spec?.securityContext?.runAsGroup, spec?.securityContext?.fsGroup],
    [1000, 1000, 1000],
  ],
  [
    "a user and a group",
    { user: "1000:50" },
    ({ spec }) => [spec?.securityContext?.runAsUser, spec?.securityContext?.runAsGroup],
    [1000, 50],
  ],
  [
    "labels and annotations: ours win",
    { labels: { team: "a", "sheaf.dev/worker": "forged" }, annotations: { note: "b" } },
    ({ metadata }) => [metadata?.labels?.team, metadata?.labels?.["sheaf.dev/worker"], metadata?.annotations],
    ["a", "0a1b", { note: "b" }],
  ],
];

describe("podOf()", () => {
  for (const [name, needs, read, expected] of table) it(name, () => assert.deepEqual(read(pod(needs)), expected));

  it("is restricted: no container of it has a right, a token, or a way to get one", () => {
    const made = pod({ user: "1000" }, {}, 3);
    assert.equal(made.spec?.automountServiceAccountToken, false);
    assert.equal(made.spec?.securityContext?.runAsNonRoot, true);
    assert.deepEqual(made.spec?.securityContext?.seccompProfile, { type: "RuntimeDefault" });
    assert.equal(containers(made).length, 5);
    for (const { securityContext } of containers(made)) {
      assert.equal(securityContext?.allowPrivilegeEscalation, false);
      assert.deepEqual(securityContext?.capabilities, { drop: ["ALL"] });
      assert.equal(securityContext?.privileged, undefined);
    }
    assert.equal(/hostPath|hostNetwork|hostPID|hostIPC|serviceAccountName/.test(JSON.stringify(made)), false);
  });

  it("root: only where the installation allows it, and then without any other right", () => {
    for (const user of ["0", "0:5"]) assert.throws(() => pod({ user }), /does not allow/);
    const made = pod({ user: "0" }, { allowRoot: true });
    assert.deepEqual([made.spec?.securityContext?.runAsNonRoot, made.spec?.securityContext?.runAsUser], [false, 0]);
    assert.deepEqual(user(made).securityContext?.capabilities, { drop: ["ALL"] });
    assert.throws(() => pod({ user: "nobody" }), /is a name/);
  });

  it("gives the installation's secret to the agent alone", () => {
    const made = pod({}, {}, 2);
    const holders = containers(made).filter(({ volumeMounts }) =>
      volumeMounts?.some(({ name }) => name === "credentials"),
    );
    assert.deepEqual(
      holders.map(({ name }) => name),
      ["agent"],
    );
    assert.match(JSON.stringify(user(made)), /^(?!.*(SHEAF_TLS|AWS_)).*$/);
    assert.equal(JSON.stringify(pod({}, { secret: undefined })).includes("credentials"), false);
  });

  it("has a container for each slot, before its agent, with a /pfs of its own, and one agent that tells its end", () => {
    const made = pod({}, {}, 2);
    assert.deepEqual(
      [made.spec?.initContainers, made.spec?.containers].map((some) => some?.map(({ name }) => name)),
      [["install"], ["user-0", "user-1", "agent"]],
    );
    assert.deepEqual(named(made, "user-1").command, ["/sheaf/bin/busybox", "sh", "/sheaf/bin/pid1.sh", "1"]);
    assert.deepEqual(
      named(made, "user-1").volumeMounts?.find(({ mountPath }) => mountPath === "/pfs"),
      { name: "control", mountPath: "/pfs", subPath: "pfs/1" },
    );
    assert.equal(agent(made).terminationMessagePolicy, "FallbackToLogsOnError");
    assert.equal(made.spec?.restartPolicy, "Always");
    assert.deepEqual(agent(made).args?.slice(0, 8), [
      "--id",
      "0a1b",
      "--pool",
      "words",
      "--masters",
      "m:1,m:2",
      "--mergers",
      "g:1",
    ]);
  });
});
