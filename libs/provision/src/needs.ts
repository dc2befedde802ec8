/**
 * What a worker of a pipeline asks of the place where it runs. Plain values, and closed: a driver makes nothing of a pipeline
 * but what is named here. A place that cannot give something ignores it; what must not be ignored was refused with the spec.
 */
export interface WorkerNeeds {
  /** Container image of the commands; empty: the place's own. */
  readonly image: string;
  /** Secrets that the place pulls the image with. */
  readonly imagePullSecrets: readonly string[];
  /** Of each slot. */
  readonly requests: Resources;
  readonly limits: Resources;
  /** Of the worker itself, which downloads, uploads and merges. */
  readonly workerRequests: Resources;
  readonly workerLimits: Resources;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Empty: none. */
  readonly priorityClassName: string;
  readonly tolerations: readonly Toleration[];
  /** Variables of the commands. */
  readonly env: Readonly<Record<string, string>>;
  /** For the commands alone. */
  readonly secrets: readonly SecretNeed[];
  /** "1000", "1000:1000", or a name; empty: the place's own. */
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** 0 and empty: nothing is asked for. */
export interface Resources {
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly gpu: { readonly type: string; readonly number: number } | undefined;
}

export interface Toleration {
  readonly key: string;
  /** "Exists", "Equal", or empty, which is "Equal". */
  readonly operator: string;
  readonly value: string;
  readonly effect: string;
  readonly seconds: number | undefined;
}

export interface SecretNeed {
  readonly name: string;
  /** Empty: all keys. */
  readonly key: string;
  /** Folder in which a file per key appears; empty: none. */
  readonly mountPath: string;
  /** Variable that holds the key's value; empty: none. */
  readonly envVar: string;
}

export const NO_RESOURCES: Resources = { cpu: 0, memoryBytes: 0, diskBytes: 0, gpu: undefined };

/** A pipeline that asks for nothing. */
export const NO_NEEDS: WorkerNeeds = {
  image: "",
  imagePullSecrets: [],
  requests: NO_RESOURCES,
  limits: NO_RESOURCES,
  workerRequests: NO_RESOURCES,
  workerLimits: NO_RESOURCES,
  nodeSelector: {},
  priorityClassName: "",
  tolerations: [],
  env: {},
  secrets: [],
  user: "",
  labels: {},
  annotations: {},
};
