// The public API: every service of sheaf.api.v1, ready to be served.

import { api } from "@sheaf/proto";
import { implement, type MountedService } from "@sheaf/rpc";
import { ClusterService, type ClusterServiceDeps } from "./cluster-service.ts";
import { DatumService, type DatumServiceDeps } from "./datum-service.ts";
import { FileService, type FileServiceDeps } from "./file-service.ts";
import { JobService, type JobServiceDeps } from "./job-service.ts";
import type { OwnerCalls } from "./owner-calls.ts";
import { PipelineService, type PipelineServiceDeps } from "./pipeline-service.ts";
import { RepoService } from "./repo-service.ts";
import { routed } from "./routes.ts";

export type ApiDeps = ClusterServiceDeps &
  FileServiceDeps &
  DatumServiceDeps &
  JobServiceDeps &
  PipelineServiceDeps & { readonly ownerCalls: OwnerCalls };

export function apiServices(deps: ApiDeps): MountedService[] {
  const services = [
    implement(api.RepoService, new RepoService(deps)),
    implement(api.FileService, new FileService(deps)),
    implement(api.PipelineService, new PipelineService(deps)),
    implement(api.JobService, new JobService(deps)),
    implement(api.DatumService, new DatumService(deps)),
    implement(api.ClusterService, new ClusterService(deps)),
  ];
  return services.map((service) => routed(service, deps.ownerCalls));
}
