/** @sheaf/certificates: makes the certificates of a cluster. Services do not need it. */

export { issue, newAuthority } from "./authority.ts";
export { type BundleOptions, CERTIFICATE_DAYS, clusterOf, type Files, newBundle, renewedBundle } from "./bundle.ts";
export { readFolder, writeFolder } from "./folder.ts";
export { installSecrets } from "./install.ts";
export { kubernetesHosts, type SecretsOptions, secretsOf } from "./secrets.ts";
