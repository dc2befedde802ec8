import { defineSettings } from "@sheaf/runtime";

/** What a master is told, by flags or by the environment. */
export const settings = defineSettings({
  etcd: {
    flag: "etcd",
    env: "SHEAF_ETCD",
    type: "list",
    required: true,
    help: "Addresses of etcd, host:port, divided by commas.",
  },
  store: {
    flag: "store",
    env: "SHEAF_STORE",
    type: "string",
    required: true,
    help: "The object store: file:///folder, or s3://bucket/prefix?endpoint=...&region=...&path_style=...",
  },
  listen: {
    flag: "listen",
    env: "SHEAF_LISTEN",
    type: "address",
    default: "127.0.0.1:7450",
    help: "Where the public API listens; port 0 takes any free one.",
  },
  dispatchListen: {
    flag: "dispatch-listen",
    env: "SHEAF_DISPATCH_LISTEN",
    type: "address",
    default: "127.0.0.1:7451",
    help: "Where workers open their sessions; port 0 takes any free one.",
  },
  dispatchAdvertise: {
    flag: "dispatch-advertise",
    env: "SHEAF_DISPATCH_ADVERTISE",
    type: "address",
    help: "What workers are told instead of where it listens, when they reach it by another address (a proxy, a pod's name).",
  },
  mergeDispatch: {
    flag: "merge-dispatch",
    env: "SHEAF_MERGE_DISPATCH",
    type: "list",
    help: "Where workers find the merge replicas, host:port, divided by commas. Default: those that etcd lists.",
  },
  cluster: {
    flag: "cluster",
    env: "SHEAF_CLUSTER",
    type: "string",
    default: "default",
    help: "Name of the cluster: the part of etcd under /sheaf/<cluster>/.",
  },
  data: {
    flag: "data",
    env: "SHEAF_DATA",
    type: "string",
    required: true,
    help: "Folder of this machine: scratch space and logs of the workers that this master starts.",
  },
  defaultWorkers: {
    flag: "default-workers",
    env: "SHEAF_DEFAULT_WORKERS",
    type: "int",
    min: 1,
    max: 10_000,
    default: 1,
    help: "Workers of a pipeline that has no parallelism_spec.",
  },
  workerProgram: {
    flag: "worker-program",
    env: "SHEAF_WORKER_PROGRAM",
    type: "string",
    help: "The program of a worker, run by this Node. Default: the worker beside this master.",
  },
});
