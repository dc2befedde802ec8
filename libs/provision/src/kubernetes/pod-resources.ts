/** Requests and limits of a pod's containers, as Kubernetes writes them. Pure. */
import type { V1ResourceRequirements } from "@kubernetes/client-node";
import type { Resources, WorkerNeeds } from "../needs.ts";

/** FIFOs, links and variables: far less is used. It counts as memory of the pod. */
export const memoryVolumeBytes = 64 * 1024 * 1024;

/** What a worker needs when nobody says more: it sleeps most of the time, and 130 MB is its least. */
const AGENT_CPU = "100m";
const AGENT_MEMORY_BYTES = 256 * 1024 * 1024;
/** How many datums' outputs lie on the worker's disk at a time, at most, for each slot, and what else lies there. */
const DATUMS_ON_DISK = 4;
const DISK_BYTES_BESIDE = 16 * 1024 ** 3;

/** Of each slot. */
export function userResources({ requests, limits }: WorkerNeeds): V1ResourceRequirements {
  return requirements(quantities(requests), quantities(limits), limits);
}

/**
 * Of the agent; undefined: of a container that runs for a moment before it. Kubernetes adds up the limits of a pod's disk and counts all
 * volumes, inputs among them: a limit that is meant for a datum's output must not evict the worker, so the agent has room beside it.
 */
export function agentResources(needs: WorkerNeeds | undefined): V1ResourceRequirements {
  const requests = {
    cpu: AGENT_CPU,
    memory: String(AGENT_MEMORY_BYTES),
    ...(needs && quantities(needs.workerRequests)),
  };
  if (needs === undefined) return { requests };
  const { limits, workerLimits } = needs;
  const room = limits.diskBytes === 0 ? 0 : DATUMS_ON_DISK * limits.diskBytes + DISK_BYTES_BESIDE;
  const disk = workerLimits.diskBytes || room;
  return requirements(requests, quantities({ ...workerLimits, diskBytes: disk }), workerLimits);
}

/** Kubernetes takes a limit for a request as well where none is given: of disk that would keep nodes empty. */
function requirements(
  requests: Record<string, string>,
  limits: Record<string, string>,
  { gpu }: Resources,
): V1ResourceRequirements {
  const disk = limits["ephemeral-storage"] !== undefined && requests["ephemeral-storage"] === undefined;
  const all = {
    ...requests,
    ...(disk && { "ephemeral-storage": "0" }),
    ...(gpu && { [gpu.type]: String(gpu.number) }),
  };
  return {
    ...(Object.keys(all).length > 0 && { requests: fitting(all, limits) }),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
}

/** A default of ours must not exceed the limit that somebody else gave. */
function fitting(requests: Record<string, string>, limits: Record<string, string>): Record<string, string> {
  const fits = { ...requests };
  const [cpu, memory] = [limits.cpu, limits.memory];
  if (fits.cpu === AGENT_CPU && cpu !== undefined && milli(cpu) < milli(AGENT_CPU)) fits.cpu = cpu;
  if (fits.memory === String(AGENT_MEMORY_BYTES) && memory !== undefined && Number(memory) < AGENT_MEMORY_BYTES)
    fits.memory = memory;
  return fits;
}

function quantities({ cpu, memoryBytes, diskBytes, gpu }: Resources): Record<string, string> {
  return {
    ...(cpu > 0 && { cpu: `${Math.ceil(cpu * 1_000)}m` }),
    ...(memoryBytes > 0 && { memory: String(memoryBytes) }),
    ...(diskBytes > 0 && { "ephemeral-storage": String(diskBytes) }),
    ...(gpu !== undefined && { [gpu.type]: String(gpu.number) }),
  };
}

function milli(cpu: string): number {
  return Number(cpu.replace("m", ""));
}
