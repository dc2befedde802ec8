/** What is read of a pod, as the API server sends it. Anything may be missing, and nothing is believed to be of its type. */
export interface PodJson {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly deletionGracePeriodSeconds?: number;
  };
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly ConditionJson[];
    readonly initContainerStatuses?: readonly ContainerJson[];
    readonly containerStatuses?: readonly ContainerJson[];
  };
}

export interface ConditionJson {
  readonly type?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface ContainerJson {
  readonly name?: string;
  readonly image?: string;
  readonly restartCount?: number;
  readonly state?: StateJson;
  readonly lastState?: StateJson;
}

export interface StateJson {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: TerminatedJson;
}

export interface TerminatedJson {
  readonly exitCode?: number;
  readonly signal?: number;
  readonly reason?: string;
  readonly message?: string;
}
