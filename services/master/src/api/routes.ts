// Which calls go to the owner of a pipeline (owner-calls.ts). What is not listed any master answers from etcd and the store.

import type { api } from "@sheaf/proto";
import type { MountedService } from "@sheaf/rpc";
import { NAME } from "@sheaf/runtime";
import { isTerminal } from "../jobs/states.ts";
import type { OwnerCalls, RowList } from "./owner-calls.ts";

type Route =
  /** `field` of the request names the pipeline. */
  | {
      readonly kind: "look" | "act";
      readonly field: "pipeline" | "name";
      /** Absent: always. */
      readonly when?: (request: object) => boolean;
    }
  | { readonly kind: "list"; readonly list: RowList };

const ROUTES: Readonly<Record<string, Route>> = {
  "PipelineService/RunPipeline": { kind: "act", field: "name" },
  "PipelineService/DeletePipeline": { kind: "act", field: "name" },
  "PipelineService/InspectPipeline": { kind: "look", field: "name" },
  "PipelineService/ListPipelines": {
    kind: "list",
    list: rows<api.Pipeline>("pipelines", { pipeline: ({ name }) => name, key: ({ name }) => name }),
  },
  "JobService/InspectJob": { kind: "look", field: "pipeline" },
  "JobService/WatchJob": { kind: "look", field: "pipeline" },
  "JobService/ListJobs": {
    kind: "list",
    list: rows<api.Job>("jobs", {
      pipeline: ({ pipeline }) => pipeline,
      key: ({ id }) => id,
      isLive: ({ state }) => !isTerminal(state),
    }),
  },
  "DatumService/ListDatums": { kind: "look", field: "pipeline" },
  "DatumService/InspectDatum": { kind: "look", field: "pipeline" },
  "DatumService/GetLogs": {
    kind: "look",
    field: "pipeline",
    when: (request) => (request as api.GetLogsRequest).follow,
  },
  "DatumService/RestartDatum": { kind: "act", field: "pipeline" },
  "ClusterService/DrainWorker": { kind: "act", field: "pipeline" },
  "ClusterService/ListWorkers": {
    kind: "list",
    list: rows<api.Worker>("workers", { pipeline: ({ pipeline }) => pipeline, key: ({ id }) => id }),
  },
};

/** The service, with its calls that need an owner passed on to it. */
export function routed(mounted: MountedService, calls: OwnerCalls): MountedService {
  return { ...mounted, methods: mounted.methods.map((method) => routedMethod(method, calls)) };
}

type Method = MountedService["methods"][number];

function routedMethod(method: Method, calls: OwnerCalls): Method {
  const { desc, handler } = method;
  const route = ROUTES[`${desc.parent.name}/${desc.name}`];
  if (route === undefined) return method;
  const rpc = { service: desc.parent, name: desc.localName };
  if (handler.kind === "server_streaming" && route.kind === "look") {
    const fn: typeof handler.fn = (request, context) =>
      route.when?.(request) === false
        ? handler.fn(request, context)
        : calls.watch({ rpc, request, context, pipeline: named(request, route.field) }, (within) =>
            handler.fn(request, within),
          );
    return { ...method, handler: { kind: handler.kind, fn } };
  }
  if (handler.kind !== "unary") return method;
  const fn: typeof handler.fn = (request, context) => {
    const here = () => handler.fn(request, context);
    if (route.kind === "list") return calls.fill({ rpc, request, context }, route.list, here);
    return calls.call(route.kind, { rpc, request, context, pipeline: named(request, route.field) }, here);
  };
  return { ...method, handler: { kind: handler.kind, fn } };
}

/** The pipeline that a request names; what is no name belongs to nobody, and is refused where it is read. */
function named(request: object, field: "pipeline" | "name"): string {
  const name = (request as Readonly<Record<string, unknown>>)[field];
  return typeof name === "string" && NAME.test(name) ? name : "";
}

function rows<R>(
  field: string,
  of: { pipeline: (row: R) => string; key: (row: R) => string; isLive?: (row: R) => boolean },
): RowList {
  const { pipeline, key, isLive = () => true } = of;
  return {
    rows: field,
    pipeline: (row) => pipeline(row as R),
    key: (row) => key(row as R),
    isLive: (row) => isLive(row as R),
  };
}
