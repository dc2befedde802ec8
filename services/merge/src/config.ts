import { etcdTlsSettings, healthSettings, tlsSettings } from "@sheaf/identity";
import { defineSettings } from "@sheaf/runtime";

/** What a merge replica is told, by flags or by the environment. */
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
  dispatchListen: {
    flag: "dispatch-listen",
    env: "SHEAF_DISPATCH_LISTEN",
    type: "address",
    default: "127.0.0.1:7452",
    help: "Where workers open their sessions; port 0 takes any free one.",
  },
  dispatchAdvertise: {
    flag: "dispatch-advertise",
    env: "SHEAF_DISPATCH_ADVERTISE",
    type: "address",
    help: "What workers are told instead of where it listens, when they reach it by another address (a proxy, a pod's name).",
  },
  cluster: {
    flag: "cluster",
    env: "SHEAF_CLUSTER",
    type: "name",
    default: "default",
    help: "Name of the cluster: the part of etcd under /sheaf/<cluster>/.",
  },
  shardBytesMin: {
    flag: "shard-bytes-min",
    env: "SHEAF_SHARD_BYTES_MIN",
    type: "bytes",
    default: "4MiB",
    help: "Output is not cut into shards smaller than this.",
  },
  shardBytesMax: {
    flag: "shard-bytes-max",
    env: "SHEAF_SHARD_BYTES_MAX",
    type: "bytes",
    default: "64MiB",
    help: "Output is cut into shards of about this size where there are workers for them.",
  },
  ...etcdTlsSettings,
  ...healthSettings,
  ...tlsSettings,
});
