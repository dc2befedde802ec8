// Every kind of fault that the nemesis knows.

import { ETCD_FAULTS } from "./etcd-faults.ts";
import type { Fault } from "./fault.ts";
import { LINK_FAULTS } from "./link-faults.ts";
import { SERVICE_FAULTS } from "./service-faults.ts";
import { STORE_FAULTS } from "./store-faults.ts";
import { WORKER_FAULTS } from "./worker-faults.ts";

export const FAULTS: readonly Fault[] = [
  ...WORKER_FAULTS,
  ...SERVICE_FAULTS,
  ...ETCD_FAULTS,
  ...LINK_FAULTS,
  ...STORE_FAULTS,
];
