// What a pipeline's spec asks of the place where its workers run, as plain values. Pure.

import type { api } from "@sheaf/proto";
import { NO_RESOURCES, type Resources, type WorkerNeeds } from "@sheaf/provision";
import { parseBytes } from "@sheaf/runtime";

export function needsOf(spec: api.PipelineSpec): WorkerNeeds {
  const { transform, schedulingSpec, metadata } = spec;
  return {
    image: transform?.image ?? "",
    imagePullSecrets: transform?.imagePullSecrets ?? [],
    requests: resources(spec.resourceRequests),
    limits: resources(spec.resourceLimits),
    workerRequests: resources(spec.sidecarResourceRequests),
    workerLimits: resources(spec.sidecarResourceLimits),
    nodeSelector: schedulingSpec?.nodeSelector ?? {},
    priorityClassName: schedulingSpec?.priorityClassName ?? "",
    tolerations: spec.tolerations.map(({ key, operator, value, effect, tolerationSeconds: seconds }) => ({
      ...{ key, operator, value, effect, seconds },
    })),
    env: transform?.env ?? {},
    secrets: (transform?.secrets ?? []).map(({ name, key, mountPath, envVar }) => ({ name, key, mountPath, envVar })),
    user: transform?.user ?? "",
    labels: metadata?.labels ?? {},
    annotations: metadata?.annotations ?? {},
  };
}

/** Sizes were checked with the spec. */
function resources(spec: api.ResourceSpec | undefined): Resources {
  if (spec === undefined) return NO_RESOURCES;
  const { cpu, memory, disk, gpu } = spec;
  const device = gpu === undefined ? undefined : { type: gpu.type, number: gpu.number };
  return { cpu, memoryBytes: bytes(memory), diskBytes: bytes(disk), gpu: device };
}

function bytes(text: string): number {
  const parsed = text === "" ? { value: 0 } : parseBytes(text);
  return "value" in parsed ? parsed.value : 0;
}
