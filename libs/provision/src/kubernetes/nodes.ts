/** The nodes of the cluster, as scaling sees them. Pure. */
export interface NodeView {
  readonly name: string;
  /** Its kubelet is heard. */
  readonly ready: boolean;
  /** It takes pods that tolerate nothing. */
  readonly open: boolean;
}

interface NodeJson {
  readonly metadata: { readonly name: string };
  readonly spec?: { readonly unschedulable?: boolean; readonly taints?: readonly { readonly effect?: string }[] };
  readonly status?: { readonly conditions?: readonly { readonly type?: string; readonly status?: string }[] };
}

export function nodeView(object: unknown): NodeView {
  const { metadata, spec = {}, status = {} } = object as NodeJson;
  if (typeof metadata.name !== "string") throw new Error("a node without a name");
  const ready = status.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false;
  const closed = spec.taints?.some(({ effect }) => effect === "NoSchedule" || effect === "NoExecute") ?? false;
  return { name: metadata.name, ready, open: spec.unschedulable !== true && !closed };
}

export function countOf(nodes: Iterable<NodeView>): number {
  let count = 0;
  for (const { ready, open } of nodes) if (ready && open) count++;
  return Math.max(1, count);
}
