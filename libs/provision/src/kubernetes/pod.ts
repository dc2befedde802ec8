/**
 * The pod of a worker, made of what its pipeline asks for and of the master's settings. Pure, and the only place where a pod is
 * made: nothing of a pipeline's spec reaches a pod but what is named here (no patches, no host paths, no service accounts).
 *
 * O1. User code never shares a container with a credential: the secrets of the pipeline are the commands', the installation's
 *     secret is the agent's, and no container has a token of Kubernetes.
 * O2. Pod Security "restricted" holds for each container, unless a pipeline asks for root and the installation allows that.
 * O3. One slot, one container with a process namespace of its own: what one command kills or eats, the other slots do not feel, and the
 *     pod starts it again. They are before the agent: a kubelet begins all containers of a pod one after another and at once, and tells
 *     of the one whose image it cannot have when the next has started. (As sidecars each would wait for a look at the one before, a
 *     second, and a bad image would be told when the kubelet comes by again, after 10 to 15 s.)
 * O4. All containers run as the same user: the agent can read and remove what commands leave.
 * O5. A pod is one worker. Its agent's end is the worker's end (pod-view.ts); the agent that is started again after it does nothing
 *     (the worker's worker-folders.ts), until the pod is deleted.
 */
import type { V1Container, V1Pod, V1SecurityContext, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import { failedPrecondition } from "@sheaf/runtime";
import type { SecretNeed, WorkerNeeds } from "../needs.ts";
import type { WorkerSpec } from "../provisioner.ts";
import { AGENT, INSTALL, LABELS, podName, userContainer } from "./labels.ts";
import { agentResources, memoryVolumeBytes, userResources } from "./pod-resources.ts";

export interface PodSettings {
  /** Name of the cluster. */
  readonly cluster: string;
  readonly namespace: string;
  /** The image of Sheaf itself. */
  readonly image: string;
  /** Image of pipelines that name none. */
  readonly defaultImage: string;
  /** Secret with the worker's certificate and the store's credentials; undefined: none. */
  readonly secret: string | undefined;
  /** Pipelines may ask for user 0. */
  readonly allowRoot: boolean;
}

/** Of an image that names no user: nobody's, and no user of the node. */
const USER_DEFAULT = 65_532;
/** Time to drain when something else than us ends the pod: a node that is drained, an eviction. */
const GRACE_S = 75;
const DRAIN_S = GRACE_S - 15;

const SHEAF = "/sheaf";
const CONTROL = "/sheaf/control";
const WORK = "/work";
const SECRET_DIR = "/etc/sheaf/secret";

/** Everything but whose it is: the owner is added by whoever knows the installation. Throws FAILED_PRECONDITION for a user that cannot be. */
export function podOf(settings: PodSettings, pool: string, spec: WorkerSpec): V1Pod {
  const { needs, slots } = spec;
  const ids = userIds(needs.user, settings.allowRoot);
  const slotsOfPod = Array.from({ length: slots }, (_, slot) => slot);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: podName(spec.id),
      namespace: settings.namespace,
      labels: {
        ...needs.labels,
        "app.kubernetes.io/name": "sheaf",
        "app.kubernetes.io/component": "worker",
        [LABELS.worker]: spec.id,
        [LABELS.pipeline]: pool,
        [LABELS.cluster]: settings.cluster,
      },
      annotations: { ...needs.annotations },
    },
    spec: {
      restartPolicy: "Always", // O3
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      shareProcessNamespace: false,
      terminationGracePeriodSeconds: GRACE_S,
      securityContext: {
        runAsNonRoot: ids.user !== 0,
        runAsUser: ids.user,
        runAsGroup: ids.group,
        fsGroup: ids.group,
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
      },
      ...placement(needs),
      volumes: volumes(settings, needs),
      initContainers: [install(settings, slots)],
      containers: [...slotsOfPod.map((slot) => user(settings, needs, slot)), agent(settings, pool, spec)], // O3
    },
  };
}

function placement(needs: WorkerNeeds): Partial<NonNullable<V1Pod["spec"]>> {
  const { nodeSelector, priorityClassName, tolerations, imagePullSecrets } = needs;
  return {
    ...(Object.keys(nodeSelector).length > 0 && { nodeSelector: { ...nodeSelector } }),
    ...(priorityClassName !== "" && { priorityClassName }),
    ...(imagePullSecrets.length > 0 && { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    ...(tolerations.length > 0 && {
      tolerations: tolerations.map(({ key, operator, value, effect, seconds }) => ({
        ...(key !== "" && { key }),
        operator: operator || "Equal",
        ...(value !== "" && { value }),
        ...(effect !== "" && { effect }),
        ...(seconds !== undefined && { tolerationSeconds: seconds }),
      })),
    }),
  };
}

function install(settings: PodSettings, slots: number): V1Container {
  return {
    name: INSTALL,
    image: settings.image,
    command: ["/bin/busybox", "sh", "/opt/sheaf/user/install.sh", SHEAF, String(slots)],
    securityContext: locked(true),
    resources: agentResources(undefined),
    volumeMounts: [mount("sheaf", SHEAF), mount("control", CONTROL)],
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

/** O1: no mount, variable or token but these. Its own root may be written: images count on /tmp. */
function user({ defaultImage }: PodSettings, needs: WorkerNeeds, slot: number): V1Container {
  const fromSecrets = needs.secrets.filter(({ envVar }) => envVar !== "");
  return {
    name: userContainer(slot),
    image: needs.image || defaultImage,
    command: ["/sheaf/bin/busybox", "sh", "/sheaf/bin/pid1.sh", String(slot)],
    securityContext: locked(false),
    resources: userResources(needs),
    env: [
      ...Object.entries(needs.env).map(([name, value]) => ({ name, value: literally(value) })),
      ...fromSecrets.map(({ envVar, name, key }) => ({ name: envVar, valueFrom: { secretKeyRef: { name, key } } })),
    ],
    volumeMounts: [
      mount("sheaf", SHEAF),
      { ...mount("sheaf", `${SHEAF}/bin`), subPath: "bin", readOnly: true },
      mount("control", CONTROL),
      { ...mount("control", "/pfs"), subPath: `pfs/${slot}` },
      ...mounted(needs.secrets).map(({ volume, secret }) => ({ ...mount(volume, secret.mountPath), readOnly: true })),
    ],
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

function agent(settings: PodSettings, pool: string, spec: WorkerSpec): V1Container {
  const { id, masters, mergers, store, slots, needs } = spec;
  const flags = {
    id,
    pool,
    masters: masters.join(","),
    mergers: mergers.join(","),
    store,
    data: WORK,
    slots: String(slots),
    "user-volume": SHEAF,
    "drain-timeout": `${DRAIN_S}s`,
  };
  return {
    name: AGENT,
    image: settings.image,
    command: ["/usr/local/bin/sheaf-worker"],
    args: Object.entries(flags).flatMap(([name, value]) => [`--${name}`, literally(value)]),
    securityContext: locked(true),
    resources: agentResources(needs),
    env: [
      { name: "HOME", value: WORK },
      { name: "TMPDIR", value: WORK },
      ...(settings.secret === undefined ? [] : credentials()),
    ],
    volumeMounts: [
      mount("sheaf", SHEAF),
      mount("control", CONTROL),
      mount("work", WORK),
      ...(settings.secret === undefined ? [] : [{ ...mount("credentials", SECRET_DIR), readOnly: true }]),
    ],
    // The end of its log becomes a part of the pod's status: nobody needs the right to read logs for it.
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

/** Where the files of the installation's secret are: paths, no secrets. */
function credentials() {
  return Object.entries({
    SHEAF_TLS_CERT: "tls.crt",
    SHEAF_TLS_KEY: "tls.key",
    SHEAF_TLS_CA: "ca.crt",
    AWS_SHARED_CREDENTIALS_FILE: "credentials",
  }).map(([name, file]) => ({ name, value: `${SECRET_DIR}/${file}` }));
}

function volumes({ secret }: PodSettings, needs: WorkerNeeds): V1Volume[] {
  return [
    { name: "sheaf", emptyDir: {} },
    { name: "control", emptyDir: { medium: "Memory", sizeLimit: String(memoryVolumeBytes) } },
    { name: "work", emptyDir: {} },
    // 0440: they belong to root, and are read by the group that all containers share.
    ...(secret === undefined ? [] : [{ name: "credentials", secret: { secretName: secret, defaultMode: 0o440 } }]),
    ...mounted(needs.secrets).map(({ volume, secret: { name, key } }) => ({
      name: volume,
      secret: { secretName: name, defaultMode: 0o440, ...(key !== "" && { items: [{ key, path: key }] }) },
    })),
  ];
}

function mounted(secrets: readonly SecretNeed[]): { readonly volume: string; readonly secret: SecretNeed }[] {
  return secrets.filter(({ mountPath }) => mountPath !== "").map((secret, i) => ({ volume: `secret-${i}`, secret }));
}

function mount(name: string, mountPath: string): V1VolumeMount {
  return { name, mountPath };
}

/** O2. */
function locked(readOnlyRootFilesystem: boolean): V1SecurityContext {
  return { allowPrivilegeEscalation: false, readOnlyRootFilesystem, capabilities: { drop: ["ALL"] } };
}

/** Kubernetes would take `$(NAME)` for a variable of the container. */
function literally(text: string): string {
  return text.replaceAll("$(", "$$$$(");
}

/** O4. */
function userIds(text: string, allowRoot: boolean): { readonly user: number; readonly group: number } {
  if (text === "") return { user: USER_DEFAULT, group: USER_DEFAULT };
  const match = /^(\d+)(?::(\d+))?$/.exec(text);
  if (match === null) {
    throw failedPrecondition(
      "USER_DENIED",
      `transform.user "${text}" is a name, which a pod cannot look up: give its number, like "1000" or "1000:1000"`,
    );
  }
  const ids = { user: Number(match[1]), group: Number(match[2] ?? match[1]) };
  if (ids.user !== 0 || allowRoot) return ids;
  throw failedPrecondition(
    "USER_DENIED",
    'transform.user "0" is root, which this installation does not allow: give another number, or start the masters with --worker-allow-root',
  );
}
