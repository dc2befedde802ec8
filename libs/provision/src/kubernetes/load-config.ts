/** How the API server is reached. Loaded when it is needed, and only then: its library is large. */
import { KubeConfig } from "@kubernetes/client-node";

/** From KUBECONFIG, or from the pod that this runs in. */
export function loadConfig(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromDefault();
  return config;
}
