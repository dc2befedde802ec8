/** Variables that say who this process is, to whom, and where it listens. They are for no process that it starts. */
const PRIVATE = new Set([
  ...["SHEAF_ADDRESS", "SHEAF_TOKEN", "SHEAF_CA", "SHEAF_TOKENS", "SHEAF_ADVERTISE", "SHEAF_HEALTH_LISTEN"],
  ...["SHEAF_TLS_CERT", "SHEAF_TLS_KEY", "SHEAF_TLS_CA", "SHEAF_WORKER_TLS_CERT", "SHEAF_WORKER_TLS_KEY"],
  ...["SHEAF_ETCD", "SHEAF_ETCD_CERT", "SHEAF_ETCD_KEY", "SHEAF_ETCD_CA"],
]);

type Variables = Readonly<Record<string, string | undefined>>;

export function withoutPrivate(env: Variables): Variables {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !PRIVATE.has(name)));
}
