/** How what is ours is found again among the pods of a namespace. */

/** Labels and annotations with this prefix are ours: no pipeline may set them. */
export const OWN_PREFIX = "sheaf.dev/";

export const LABELS = {
  worker: `${OWN_PREFIX}worker`,
  pipeline: `${OWN_PREFIX}pipeline`,
  /** Name of the cluster. */
  cluster: `${OWN_PREFIX}cluster`,
  /** Uid of the installation: two clusters of one name in one namespace do not see each other's pods (V3). */
  installation: `${OWN_PREFIX}installation`,
  /** How the pod was made: see `shapeOf`. */
  shape: `${OWN_PREFIX}shape`,
} as const;

/** Of the pod: a worker that is created twice is refused the second time (V1). */
export function podName(worker: string): string {
  return `sheaf-worker-${worker}`;
}

/** The containers of a pod. */
export const AGENT = "agent";
export const INSTALL = "install";
export function userContainer(slot: number): string {
  return `user-${slot}`;
}

/** An object in the workers' namespace that stands for the installation: pods are owned by it, and go when it goes. */
export interface Installation {
  readonly name: string;
  readonly uid: string;
}

export function selectorOf(cluster: string, { uid }: Installation): string {
  return `${LABELS.cluster}=${cluster},${LABELS.installation}=${uid}`;
}
