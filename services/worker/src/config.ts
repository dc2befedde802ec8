// The worker's settings.

import { healthSettings, tlsSettings } from "@sheaf/identity";
import { defineSettings } from "@sheaf/runtime";

export const settings = defineSettings({
  id: {
    flag: "id",
    env: "SHEAF_WORKER_ID",
    type: "string",
    help: "Id of this worker process: up to 64 letters, digits and dashes. Default: 32 random hex characters.",
  },
  pool: {
    flag: "pool",
    env: "SHEAF_POOL",
    type: "name",
    required: true,
    help: "The pipeline whose work it does.",
  },
  masters: {
    flag: "masters",
    env: "SHEAF_MASTERS",
    type: "list",
    of: "address",
    help: "Addresses of masters (host:port), tried in turn.",
  },
  mergers: {
    flag: "mergers",
    env: "SHEAF_MERGERS",
    type: "list",
    of: "address",
    help: "Addresses of merge replicas (host:port), tried in turn.",
  },
  store: {
    flag: "store",
    env: "SHEAF_STORE",
    type: "string",
    required: true,
    help: "The object store: file:///folder, or s3://bucket/prefix?endpoint=...&region=...&path_style=...",
  },
  data: {
    flag: "data",
    env: "SHEAF_WORKER_DATA",
    type: "string",
    required: true,
    help: "Folder for scratch files. The worker makes a folder of its own in it, and removes that when it ends; with --user-volume it stays, as the mark that this pod has had its worker.",
  },
  slots: {
    flag: "slots",
    env: "SHEAF_SLOTS",
    type: "int",
    min: 1,
    max: 64,
    default: 1,
    help: "Commands that run at a time.",
  },
  userVolume: {
    flag: "user-volume",
    env: "SHEAF_USER_VOLUME",
    type: "string",
    help: "Folder that containers beside this one mount at the same path, one for each slot: commands run in these, and not here.",
  },
  killGrace: {
    flag: "kill-grace",
    env: "SHEAF_KILL_GRACE",
    type: "duration",
    default: "5s",
    help: "Time between SIGTERM and SIGKILL for a command that is to be stopped.",
  },
  ...healthSettings,
  ...tlsSettings,
});
