/**
 * Why a pod cannot start, or not go on, in a sentence that says what to do. Pure. A pod in trouble is left where it is: Kubernetes goes
 * on trying, and when what was wrong is put right it starts by itself.
 */
import { AGENT, INSTALL } from "./labels.ts";
import type { ConditionJson, ContainerJson, PodJson } from "./pod-json.ts";

const TEXT_MAX = 300;
/** Ends of a container in a row after which it is not going to be different the next time. */
const RESTARTS = 2;

/** What Kubernetes says of a container that waits; `what` is its message. */
const WAITING: Readonly<Record<string, (image: string, what: string) => string>> = {
  ErrImagePull: cannotPull,
  ImagePullBackOff: cannotPull,
  RegistryUnavailable: cannotPull,
  ErrImageNeverPull: (image) => `image "${image}" is not on the node, and may not be pulled: load it there`,
  InvalidImageName: (image) => `"${image}" is no name of an image: correct transform.image`,
  ImageInspectError: (image, what) => `image "${image}" is damaged on the node: ${what}`,
  CreateContainerConfigError: (_, what) =>
    `${what}: make it in the namespace of the workers, or correct transform.secrets or transform.user`,
  CreateContainerError: (image, what) => `a container of image "${image}" cannot be made: ${what}`,
  RunContainerError: (image, what) => `a container of image "${image}" does not start: ${what}`,
};

export function troubleOf({
  conditions = [],
  initContainerStatuses = [],
  containerStatuses = [],
}: NonNullable<PodJson["status"]>): string | undefined {
  const scheduled = conditions.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") return unplaced(scheduled);
  for (const container of [...initContainerStatuses, ...containerStatuses]) {
    const trouble = troubleOfContainer(container);
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

/** Words of Kubernetes, an image or a user: short, and with nothing that a terminal would act upon. */
export function quoted(text: string | undefined): string {
  const line = (text ?? "").replaceAll(/\s+/g, " ").replaceAll(/[^\x20-\x7e]/g, "?");
  return line.length > TEXT_MAX ? `${line.slice(0, TEXT_MAX)}...` : line;
}

function unplaced({ reason, message }: ConditionJson): string | undefined {
  if (reason === "SchedulingGated") return "its pod waits for a scheduling gate to be lifted";
  if (reason !== "Unschedulable") return undefined;
  return `no node can take its pod: ${quoted(message)}; lower resource_requests, change scheduling_spec or tolerations, or add nodes`;
}

function troubleOfContainer({
  name = "",
  image,
  state,
  lastState,
  restartCount = 0,
}: ContainerJson): string | undefined {
  const { reason = "", message } = state?.waiting ?? {};
  const says = Object.hasOwn(WAITING, reason) ? WAITING[reason] : undefined;
  if (says !== undefined) return says(quoted(image), quoted(message));
  const last = lastState?.terminated;
  if (last === undefined || name === AGENT) return undefined; // O5 of pod.ts
  // One that ends while a command runs is that command's business: the agent starts anew in the next one.
  const isLooping = reason === "CrashLoopBackOff" || (restartCount > RESTARTS && state?.running === undefined);
  if (!isLooping) return undefined;
  const how = last.reason === "OOMKilled" ? "out of memory" : `exit code ${last.exitCode}`;
  const said = last.message ? `: ${quoted(last.message)}` : "";
  const own = last.reason === "OOMKilled" ? "raise resource_limits.memory" : "look at transform.image";
  const advice = name === INSTALL ? "look at its node" : own;
  return `its container ${quoted(name)} ends again and again (${how}${said}): ${advice}`;
}

function cannotPull(image: string, what: string): string {
  const why = what === "" ? "" : `: ${what}`;
  return `image "${image}" cannot be pulled${why}; correct transform.image, or give transform.image_pull_secrets`;
}
