/** A pod as the little that is kept of it: a thousand of them are some hundred kilobytes. Pure. */
import { AGENT, LABELS } from "./labels.ts";
import type { ContainerJson, PodJson, TerminatedJson } from "./pod-json.ts";
import { quoted, troubleOf } from "./trouble.ts";

export interface PodView {
  readonly name: string;
  readonly worker: string;
  readonly pool: string;
  readonly shape: string;
  readonly createdMs: number;
  /** Empty: no node yet. */
  readonly node: string;
  /** Its agent was started. */
  readonly started: boolean;
  /** Milliseconds that it has from the moment when it was asked to go; undefined: it was not. */
  readonly graceMs: number | undefined;
  readonly trouble: string | undefined;
  /** Undefined: it has not ended. */
  readonly end: PodEnd | undefined;
}

export interface PodEnd {
  readonly code: number | undefined;
  readonly logTail: string;
  readonly why: string | undefined;
  readonly taken: boolean;
}

const LOG_BYTES_MAX = 4 * 1024;

/** Throws for what is no pod of ours: the caller skips it. */
export function viewOf(object: unknown): PodView {
  const { metadata, spec, status = {} } = object as PodJson;
  const worker = metadata.labels[LABELS.worker];
  const pool = metadata.labels[LABELS.pipeline];
  if (typeof metadata.name !== "string" || !worker || !pool)
    throw new Error(`pod ${metadata.name}: labels are missing`);
  const agent = status.containerStatuses?.find(({ name }) => name === AGENT);
  return {
    name: metadata.name,
    worker,
    pool,
    shape: metadata.labels[LABELS.shape] ?? "",
    createdMs: Date.parse(metadata.creationTimestamp ?? "") || 0,
    node: spec?.nodeName ?? "",
    started: agent?.state?.running !== undefined,
    graceMs: metadata.deletionTimestamp === undefined ? undefined : (metadata.deletionGracePeriodSeconds ?? 0) * 1_000,
    trouble: troubleOf(status),
    end: endOf(object as PodJson, agent),
  };
}

/** The end of a pod that is gone, and nobody saw how it ended: it was deleted, which is nobody's fault who ran in it. */
export const DELETED: PodEnd = { code: undefined, logTail: "", why: "its pod was deleted", taken: true };

/** It has ended when its agent has, even if that was started again: the first time counts. */
function endOf({ metadata, status = {} }: PodJson, agent: ContainerJson | undefined): PodEnd | undefined {
  const { phase, conditions = [] } = status;
  const how = agent?.lastState?.terminated ?? agent?.state?.terminated;
  if (how === undefined && phase !== "Failed" && phase !== "Succeeded") return undefined;
  const disrupted = conditions.find(({ type, status }) => type === "DisruptionTarget" && status === "True");
  const isDeleted = metadata.deletionTimestamp !== undefined;
  return {
    code: how?.exitCode,
    logTail: (how?.message ?? "").slice(-LOG_BYTES_MAX),
    why: disrupted
      ? `the cluster took its pod away: ${quoted(disrupted.message || disrupted.reason)}`
      : (whyOf(status, how) ?? (isDeleted ? DELETED.why : undefined)),
    taken: disrupted !== undefined || isDeleted,
  };
}

function whyOf(status: NonNullable<PodJson["status"]>, how: TerminatedJson | undefined): string | undefined {
  const { reason = "", message = "" } = status;
  // By its own use of the disk; when the node as a whole is short of something, it is a disruption.
  if (reason === "Evicted") {
    return `it was evicted: ${quoted(message)}; raise resource_limits.disk, or sidecar_resource_limits.disk for the worker itself`;
  }
  if (how?.reason === "OOMKilled")
    return "out of memory in the worker itself, not in a command: raise sidecar_resource_limits.memory";
  return how === undefined ? `the node refused it: ${quoted(`${reason} ${message}`.trim())}` : undefined;
}
