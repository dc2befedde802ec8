/** Settings that every service shares. */
import { defineSettings, type SettingsOf } from "@sheaf/runtime";
import { pathsOf, type TlsPaths } from "./tls.ts";

export const tlsSettings = defineSettings({
  tlsCert: {
    flag: "tls-cert",
    env: "SHEAF_TLS_CERT",
    type: "string",
    help: "File (PEM) with this service's certificate. With it every port speaks TLS. `sheaf certificates` makes one.",
  },
  tlsKey: {
    flag: "tls-key",
    env: "SHEAF_TLS_KEY",
    type: "string",
    help: "File (PEM) with the key of that certificate.",
  },
  tlsCa: {
    flag: "tls-ca",
    env: "SHEAF_TLS_CA",
    type: "string",
    help: "File (PEM) with the authority that signed the certificates of all services of the cluster.",
  },
});

export const etcdTlsSettings = defineSettings({
  etcdCert: {
    flag: "etcd-cert",
    env: "SHEAF_ETCD_CERT",
    type: "string",
    help: "File (PEM) with the certificate that etcd knows this service by.",
  },
  etcdKey: {
    flag: "etcd-key",
    env: "SHEAF_ETCD_KEY",
    type: "string",
    help: "File (PEM) with the key of that certificate.",
  },
  etcdCa: {
    flag: "etcd-ca",
    env: "SHEAF_ETCD_CA",
    type: "string",
    help: "File (PEM) with the authority that signed etcd's certificates.",
  },
});

export const healthSettings = defineSettings({
  healthListen: {
    flag: "health-listen",
    env: "SHEAF_HEALTH_LISTEN",
    type: "address",
    help: "Where grpc.health.v1, and nothing else, is answered in plain text, from everywhere: for probes that speak no TLS.",
  },
});

export const tokenSettings = defineSettings({
  tokens: {
    flag: "tokens",
    env: "SHEAF_TOKENS",
    type: "string",
    help: "File with the tokens of the public API, hashed; a line each, as `sheaf token create` prints it. With it every call needs one.",
  },
});

export function tlsPaths(config: SettingsOf<typeof tlsSettings>): TlsPaths | undefined {
  const { tlsCert: cert, tlsKey: key, tlsCa: ca } = config;
  return pathsOf({ cert, key, ca }, ["--tls-cert", "--tls-key", "--tls-ca"]);
}

export function etcdTlsPaths(config: SettingsOf<typeof etcdTlsSettings>): TlsPaths | undefined {
  const { etcdCert: cert, etcdKey: key, etcdCa: ca } = config;
  return pathsOf({ cert, key, ca }, ["--etcd-cert", "--etcd-key", "--etcd-ca"]);
}
