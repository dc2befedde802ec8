// Where the workers of this master run: the driver, and what it means for the specs of pipelines.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { kubernetesProvisioner, localProvisioner, type Provisioner } from "@sheaf/provision";
import { type Clock, invalidArgument, type Logger, type Random, type SettingsOf } from "@sheaf/runtime";
import type { Place } from "./api/spec-place.ts";
import type { settings } from "./config.ts";
import { workerIdentity } from "./worker-identity.ts";

/** Where the worker stands in the repository and in the image; it is started, never imported. */
const WORKER_PROGRAM = fileURLToPath(new URL("../../worker/src/main.ts", import.meta.url));

interface Ambient {
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** Throws INVALID_ARGUMENT for a setting that this kind of place needs and that is missing. */
export function openPlace(
  config: SettingsOf<typeof settings>,
  ambient: Ambient,
): { readonly place: Place; readonly provisioner: Provisioner } {
  if (config.provisioner === "local") {
    const { workerProgram } = config;
    if (workerProgram !== undefined && !existsSync(workerProgram)) {
      const text = `--worker-program is ${JSON.stringify(workerProgram)}: there is no such file`;
      throw invalidArgument("SETTING_INVALID", text);
    }
    const provisioner = localProvisioner({
      ...ambient,
      dataDir: resolve(needed("data", config.data, config)),
      nodes: config.nodes,
      workerProgram: { argv: [process.execPath, workerProgram ?? WORKER_PROGRAM] },
      env: process.env,
      workerEnv: workerIdentity(config),
    });
    return { place: { kind: "local" }, provisioner };
  }
  const image = needed("worker-image", config.workerImage, config);
  const { workerSecret, workerAllowRoot: allowRoot } = config;
  const provisioner = kubernetesProvisioner({
    ...ambient,
    cluster: config.cluster,
    namespace: config.workerNamespace,
    installation: config.workerOwner,
    image,
    defaultImage: config.workerDefaultImage ?? image,
    secret: workerSecret,
    allowRoot,
  });
  return { place: { kind: "kubernetes", allowRoot, workerSecret }, provisioner };
}

function needed(flag: string, value: string | undefined, { provisioner }: { readonly provisioner: string }): string {
  if (value !== undefined) return value;
  throw invalidArgument("SETTING_MISSING", `--${flag} is required with --provisioner ${provisioner}`, {
    details: [{ field: `--${flag}`, description: "is required" }],
  });
}
