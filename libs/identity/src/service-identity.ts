/** What a service opens at its start, from its settings: who it is, and who it is to etcd. */
import type { Component, KeptFiles, SettingsOf } from "@sheaf/runtime";
import { etcdTlsPaths, type etcdTlsSettings, tlsPaths, type tlsSettings } from "./settings.ts";
import { type Expected, type KeptTls, type Material, openMaterial, openTls, type TlsDeps } from "./tls.ts";

/** `tls` undefined: plain text. */
export async function openIdentity(
  config: SettingsOf<typeof tlsSettings>,
  expected: Expected,
  deps: TlsDeps,
): Promise<KeptTls | undefined> {
  const paths = tlsPaths(config);
  return paths === undefined ? undefined : openTls(paths, expected, deps);
}

/** Undefined: etcd speaks plain text. */
export async function openEtcdIdentity(
  config: SettingsOf<typeof etcdTlsSettings>,
  deps: TlsDeps,
): Promise<KeptFiles<Material> | undefined> {
  const paths = etcdTlsPaths(config);
  return paths === undefined ? undefined : openMaterial(paths, "etcd's TLS certificate", deps);
}

/** Those that there are, to be started and stopped with the service. */
export function watched(...files: readonly (Component | undefined)[]): Component[] {
  return files.filter((each) => each !== undefined);
}
