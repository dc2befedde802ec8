import { join } from "node:path";

const PROJECT = join(import.meta.dirname, "..", "..");

/**
 * What tests start as a service. In a run of all tests that is what the image has (`npm test` bundles it into a folder, and says where): it is
 * what users deploy, and starts in less than half the time. Else the sources, so that one test needs no step before it.
 */
export function serviceProgram(service: "master" | "merge" | "worker"): string {
  const bundled = process.env["SHEAF_TEST_SERVICES"];
  return bundled
    ? join(bundled, "services", service, "src", "main.mjs")
    : join(PROJECT, "services", service, "src", "main.ts");
}
