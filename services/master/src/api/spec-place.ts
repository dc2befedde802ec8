// What a spec asks of the place where its workers run: checked against the place that this master has. What a place would ignore and
// must not, or would give to somebody whom it is not for, is refused here, with the field.

import type { api } from "@sheaf/proto";
import { parseBytes } from "@sheaf/runtime";
import * as limits from "./limits.ts";
import { shown } from "./names.ts";
import type { Violations } from "./violations.ts";

/** Where a master's workers run. */
export type Place =
  | { readonly kind: "local" }
  | {
      readonly kind: "kubernetes";
      /** Pipelines may run as root. */
      readonly allowRoot: boolean;
      /** The secret that the workers themselves hold; undefined: none. */
      readonly workerSecret: string | undefined;
    };

/** A name of an object in Kubernetes. */
const OBJECT = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
/** What may stand before the slash of a label, and after it; and a label's value. */
const PREFIX = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const WORD = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const SECRET_KEY = /^[-._a-zA-Z0-9]{1,253}$/;
/** Sheaf's own, and those by which Kubernetes and its nodes are steered. */
const OTHERS_PREFIX = /(^|\.)(sheaf\.dev|kubernetes\.io|k8s\.io)$/;
/** Folders that are the worker's, or the kernel's. */
const NOT_FOR_SECRETS = ["/pfs", "/sheaf", "/proc", "/sys", "/dev"];
const EFFECTS = ["", "NoSchedule", "PreferNoSchedule", "NoExecute"];

export function checkPlace(violations: Violations, spec: api.PipelineSpec, place: Place): void {
  checkResources(violations, spec);
  checkScheduling(violations, spec);
  checkMetadata(violations, spec.metadata);
  checkPullSecrets(violations, spec.transform?.imagePullSecrets ?? []);
  checkSecrets(violations, spec.transform?.secrets ?? []);
  if (place.kind === "local") refuseLocally(violations, spec);
  else refuseOnKubernetes(violations, spec, place);
}

/** A command would see the whole of a secret's store, and a device that it was not given. */
function refuseLocally(violations: Violations, { transform, resourceLimits }: api.PipelineSpec): void {
  if ((transform?.secrets.length ?? 0) > 0) {
    const why = "cannot be given by workers on this machine: leave it out, or run the pipeline on Kubernetes";
    violations.add("transform.secrets", why);
  }
  if (resourceLimits?.gpu !== undefined) {
    violations.add(
      "resource_limits.gpu",
      "is not handed out on this machine: leave it out, commands see what there is",
    );
  }
}

function refuseOnKubernetes(
  violations: Violations,
  { transform, resourceLimits }: api.PipelineSpec,
  { allowRoot, workerSecret }: Extract<Place, { kind: "kubernetes" }>,
): void {
  if (transform === undefined) return;
  const { user, handler, secrets } = transform;
  if (handler !== "") {
    violations.add(
      "transform.handler",
      "is refused on Kubernetes: it would run beside the worker's credentials; use transform.cmd",
    );
  }
  if (user !== "" && !/^\d+(:\d+)?$/.test(user)) {
    violations.add("transform.user", `is ${shown(user)}: on Kubernetes use a number, like "1000" or "1000:1000"`);
  } else if (/^0+(:|$)/.test(user) && !allowRoot) {
    violations.add("transform.user", "is root, which this cluster does not allow: use another number");
  }
  if ((resourceLimits?.pids ?? 0) !== 0) {
    violations.add("resource_limits.pids", "cannot be kept on Kubernetes, where nodes limit processes: leave it out");
  }
  secrets.forEach(({ name }, i) => {
    if (name !== workerSecret) return;
    violations.add(`transform.secrets[${i}].name`, `is ${shown(name)}, a secret of Sheaf itself: use another`);
  });
}

function checkResources(violations: Violations, spec: api.PipelineSpec): void {
  const all = {
    resource_requests: spec.resourceRequests,
    resource_limits: spec.resourceLimits,
    sidecar_resource_requests: spec.sidecarResourceRequests,
    sidecar_resource_limits: spec.sidecarResourceLimits,
  };
  for (const [field, resources] of Object.entries(all)) {
    if (resources === undefined) continue;
    checkSize(violations, `${field}.memory`, resources.memory, limits.MEMORY_BYTES_MIN);
    checkSize(violations, `${field}.disk`, resources.disk, 1);
    const { cpu, pids, gpu } = resources;
    const cpuOk = cpu === 0 || (cpu >= limits.CPU_MIN && cpu <= limits.CPU_MAX); // NaN is neither
    violations.require(cpuOk, `${field}.cpu`, `is ${cpu}: use cores, ${limits.CPU_MIN} to ${limits.CPU_MAX}`);
    if (field === "resource_limits") {
      checkGpu(violations, gpu);
      const pidsOk = pids === 0 || (pids >= limits.PIDS_MIN && pids <= limits.PIDS_MAX);
      violations.require(pidsOk, `${field}.pids`, `is ${pids}: use ${limits.PIDS_MIN} to ${limits.PIDS_MAX}`);
    } else {
      violations.require(pids === 0, `${field}.pids`, "means nothing here: give it in resource_limits");
      violations.require(gpu === undefined, `${field}.gpu`, "means nothing here: give it in resource_limits");
    }
  }
  checkOrder(violations, "resource", spec.resourceRequests, spec.resourceLimits);
  checkOrder(violations, "sidecar_resource", spec.sidecarResourceRequests, spec.sidecarResourceLimits);
}

/** Kubernetes refuses a pod that asks for more than it may have; better here than at its first worker. */
function checkOrder(
  violations: Violations,
  name: string,
  requests: api.ResourceSpec | undefined,
  most: api.ResourceSpec | undefined,
): void {
  if (requests === undefined || most === undefined) return;
  for (const what of ["cpu", "memory", "disk"] as const) {
    const [asked, may] = [amount(requests[what]), amount(most[what])];
    const ok = may === 0 || asked <= may;
    violations.require(
      ok,
      `${name}_requests.${what}`,
      `is ${requests[what]}, more than ${name}_limits allows (${most[what]})`,
    );
  }
}

function amount(given: string | number): number {
  if (typeof given === "number") return given;
  const parsed = parseBytes(given);
  return "value" in parsed ? parsed.value : 0;
}

function checkGpu(violations: Violations, gpu: api.GpuSpec | undefined): void {
  if (gpu === undefined) return;
  const [prefix = "", name = "", ...rest] = gpu.type.split("/");
  const typeOk = PREFIX.test(prefix) && WORD.test(name) && rest.length === 0;
  violations.require(typeOk, "resource_limits.gpu.type", `is ${shown(gpu.type)}: use a name like "nvidia.com/gpu"`);
  const numberOk = gpu.number >= 1 && gpu.number <= limits.GPUS_MAX;
  violations.require(numberOk, "resource_limits.gpu.number", `is ${gpu.number}: use 1 to ${limits.GPUS_MAX}`);
}

function checkScheduling(violations: Violations, { schedulingSpec, tolerations }: api.PipelineSpec): void {
  const { nodeSelector = {}, priorityClassName = "" } = schedulingSpec ?? {};
  checkCount(violations, "scheduling_spec.node_selector", Object.keys(nodeSelector).length, limits.LABELS_MAX);
  for (const [key, value] of Object.entries(nodeSelector)) {
    checkLabel(violations, `scheduling_spec.node_selector[${shown(key)}]`, key, value);
  }
  const priorityOk =
    priorityClassName === "" || (OBJECT.test(priorityClassName) && !priorityClassName.startsWith("system-"));
  const priority = `is ${shown(priorityClassName)}: use the name of a priority class that is not the system's`;
  violations.require(priorityOk, "scheduling_spec.priority_class_name", priority);
  checkCount(violations, "tolerations", tolerations.length, limits.TOLERATIONS_MAX);
  tolerations.slice(0, limits.TOLERATIONS_MAX).forEach((each, i) => {
    const wrong = wrongWithToleration(each);
    if (wrong !== undefined) violations.add(`tolerations[${i}].${wrong[0]}`, wrong[1]);
  });
}

function wrongWithToleration(toleration: api.Toleration): readonly [string, string] | undefined {
  const { key, operator, value, effect, tolerationSeconds } = toleration;
  if (!["", "Equal", "Exists"].includes(operator))
    return ["operator", `is ${shown(operator)}: use "Equal" or "Exists"`];
  if (!EFFECTS.includes(effect))
    return ["effect", `is ${shown(effect)}: use "NoSchedule", "PreferNoSchedule" or "NoExecute"`];
  if (key === "" && operator !== "Exists") return ["key", 'is required, unless the operator is "Exists"'];
  if (key !== "" && !isLabelKey(key)) return ["key", `is ${shown(key)}, which is no key of a taint`];
  if (value !== "" && operator === "Exists") return ["value", 'means nothing to the operator "Exists": leave it out'];
  if (value !== "" && !WORD.test(value)) return ["value", `is ${shown(value)}, which is no value of a taint`];
  if (tolerationSeconds !== undefined && effect !== "NoExecute")
    return ["toleration_seconds", 'needs the effect "NoExecute"'];
  return undefined;
}

function checkMetadata(violations: Violations, metadata: api.Metadata | undefined): void {
  const { labels = {}, annotations = {} } = metadata ?? {};
  checkCount(violations, "metadata.labels", Object.keys(labels).length, limits.LABELS_MAX);
  checkCount(violations, "metadata.annotations", Object.keys(annotations).length, limits.LABELS_MAX);
  const bytes = Object.entries(annotations).reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  const bytesOk = bytes <= limits.ANNOTATION_BYTES_MAX;
  violations.require(bytesOk, "metadata.annotations", `has ${bytes} bytes: at most ${limits.ANNOTATION_BYTES_MAX}`);
  for (const [key, value] of Object.entries(labels)) {
    const field = `metadata.labels[${shown(key)}]`;
    if (isOthers(key)) violations.add(field, "has a prefix that is not for pipelines: use one of your own");
    else checkLabel(violations, field, key, value);
  }
  for (const key of Object.keys(annotations)) {
    const field = `metadata.annotations[${shown(key)}]`;
    if (isOthers(key)) violations.add(field, "has a prefix that is not for pipelines: use one of your own");
    else violations.require(isLabelKey(key), field, "is no key of an annotation");
  }
}

function checkPullSecrets(violations: Violations, names: readonly string[]): void {
  checkCount(violations, "transform.image_pull_secrets", names.length, limits.PULL_SECRETS_MAX);
  names.slice(0, limits.PULL_SECRETS_MAX).forEach((name, i) => {
    violations.require(
      OBJECT.test(name),
      `transform.image_pull_secrets[${i}]`,
      `is ${shown(name)}: use the name of a Secret`,
    );
  });
}

function checkSecrets(violations: Violations, secrets: readonly api.SecretMount[]): void {
  checkCount(violations, "transform.secrets", secrets.length, limits.SECRETS_MAX);
  const seen = new Set<string>();
  secrets.slice(0, limits.SECRETS_MAX).forEach((secret, i) => {
    const wrong = wrongWithSecret(secret);
    if (wrong !== undefined) violations.add(`transform.secrets[${i}].${wrong[0]}`, wrong[1]);
    for (const [what, place] of [
      ["mount_path", secret.mountPath],
      ["env_var", secret.envVar],
    ] as const) {
      violations.require(!seen.has(place), `transform.secrets[${i}].${what}`, `is ${shown(place)}, which another has`);
      if (place !== "") seen.add(place);
    }
  });
}

function wrongWithSecret({ name, key, mountPath, envVar }: api.SecretMount): readonly [string, string] | undefined {
  if (!OBJECT.test(name))
    return ["name", `is ${shown(name)}: use the name of a Secret in the namespace of the workers`];
  if (name === "sheaf" || name.startsWith("sheaf-"))
    return ["name", `is ${shown(name)}, a secret of Sheaf itself: use another`];
  if (key !== "" && (!SECRET_KEY.test(key) || /^\.\.?$/.test(key)))
    return ["key", `is ${shown(key)}, which is no key of a Secret`];
  if (mountPath === "" && envVar === "")
    return ["mount_path", "is required, unless env_var says where the secret goes"];
  if (mountPath !== "" && !isFolderForSecrets(mountPath)) {
    return ["mount_path", `is ${shown(mountPath)}: use an absolute path outside of ${NOT_FOR_SECRETS.join(", ")}`];
  }
  if (envVar === "") return undefined;
  if (key === "") return ["key", "is required for a variable: it names the value in the secret"];
  const wrong = limits.wrongWithEnvName(envVar);
  return wrong === undefined ? undefined : ["env_var", wrong];
}

function isFolderForSecrets(path: string): boolean {
  const clean = /^(\/[A-Za-z0-9_][-A-Za-z0-9_.]*)+$/.test(path) && path.length <= limits.WORKING_DIR_BYTES_MAX;
  return clean && !NOT_FOR_SECRETS.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

function checkLabel(violations: Violations, field: string, key: string, value: string): void {
  violations.require(isLabelKey(key), field, "is no key of a label");
  violations.require(value === "" || WORD.test(value), field, `is ${shown(value)}, which is no value of a label`);
}

function isLabelKey(key: string): boolean {
  const [first = "", second, ...rest] = key.split("/");
  if (rest.length > 0) return false;
  return second === undefined ? WORD.test(first) : PREFIX.test(first) && WORD.test(second);
}

function isOthers(key: string): boolean {
  return key.includes("/") && OTHERS_PREFIX.test(key.split("/")[0] ?? "");
}

function checkCount(violations: Violations, field: string, count: number, max: number): void {
  violations.require(count <= max, field, `has ${count}: at most ${max}`);
}

/** Bytes, or "" for no limit. */
function checkSize(violations: Violations, field: string, text: string, least: number): void {
  if (text === "") return;
  const parsed = parseBytes(text);
  if (!("value" in parsed)) violations.add(field, parsed.wrong);
  else violations.require(parsed.value >= least, field, `is ${text}: use at least ${least} bytes, or leave it out`);
}
