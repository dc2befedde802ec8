/** What the API server's refusals mean, and what to do: as errors of ours. Pure. */
import { failedPrecondition, permissionDenied, resourceExhausted, type SheafError, unavailable } from "@sheaf/runtime";
import type { Failed } from "./list-watch.ts";
import { quoted } from "./trouble.ts";

/** Whether the same request may succeed in a while. */
export function isPassing(failed: Failed): boolean {
  return failed.kind === "unreachable" || failed.status === 429 || failed.status >= 500;
}

/** `doing`: "create a worker's pod in namespace x". */
export function refusal(doing: string, failed: Failed): SheafError {
  if (failed.kind === "unreachable") {
    return unavailable(
      "KUBERNETES_AWAY",
      `cannot ${doing}: the Kubernetes API cannot be reached (${quoted(failed.why)}); trying again`,
    );
  }
  const { status, retryAfterMs } = failed;
  const said = quoted(failed.message) || `status ${status}`;
  if (status === 429 || status >= 500) {
    const busy = `cannot ${doing}: the Kubernetes API is busy or ill (${said}); trying again`;
    return unavailable("KUBERNETES_BUSY", busy, { ...(retryAfterMs !== undefined && { retryDelayMs: retryAfterMs }) });
  }
  if (status === 403 && /exceeded quota|must specify/.test(failed.message)) {
    const quota = `the namespace's quota leaves no room (${said}): raise the ResourceQuota, or lower parallelism_spec or resource_requests`;
    return resourceExhausted("QUOTA_EXCEEDED", quota);
  }
  if (status === 403 && /violates PodSecurity/.test(failed.message)) {
    return permissionDenied(
      "POD_SECURITY",
      `the namespace's Pod Security does not allow the pod (${said}): correct transform.user`,
    );
  }
  if (status === 401 || status === 403) {
    return permissionDenied(
      "KUBERNETES_FORBIDDEN",
      `cannot ${doing}: not allowed (${said}): apply the RBAC of the installation`,
    );
  }
  if (status === 404) {
    return failedPrecondition(
      "KUBERNETES_NOT_FOUND",
      `cannot ${doing}: ${said}: apply the manifests of the installation`,
    );
  }
  return failedPrecondition(
    "POD_REFUSED",
    `cannot ${doing}: Kubernetes refuses it: ${said}: correct the pipeline's spec`,
  );
}
