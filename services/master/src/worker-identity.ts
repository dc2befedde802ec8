// The certificate of workers that a master starts on its own machine: theirs, never the master's.

import { failedPrecondition } from "@sheaf/runtime";

interface Given {
  readonly tlsCa: string | undefined;
  readonly workerTlsCert: string | undefined;
  readonly workerTlsKey: string | undefined;
}

/** Variables for these workers. Throws when they could not speak to this master. */
export function workerIdentity({ tlsCa, workerTlsCert, workerTlsKey }: Given): Readonly<Record<string, string>> {
  if (tlsCa === undefined) return {};
  if (workerTlsCert === undefined || workerTlsKey === undefined) {
    throw failedPrecondition(
      "WORKER_CERTIFICATE_MISSING",
      "this master speaks TLS and starts workers: give --worker-tls-cert and --worker-tls-key, the files of a worker's certificate",
    );
  }
  return { SHEAF_TLS_CERT: workerTlsCert, SHEAF_TLS_KEY: workerTlsKey, SHEAF_TLS_CA: tlsCa };
}
