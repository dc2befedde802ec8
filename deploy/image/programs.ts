/** The layer that changes most: the programs, what they find from where they stand, the commands that start them, and the user's volume. */
import { globSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { bundle } from "./bundle.ts";
import { copy, type Entry, text } from "./entry.ts";

const HOME = "/opt/sheaf";
const COMMANDS = { sheaf: "cli", "sheaf-master": "master", "sheaf-merge": "merge", "sheaf-worker": "worker" };
/** Of a package that was bundled: what it is, by which licence, and the contracts that it reads when it runs. */
const KEPT_OF_PACKAGE = "{package.json,{LICENSE,LICENCE,license,NOTICE,COPYING}*,proto/**/*.proto}";

export async function programs(project: string, busybox: string): Promise<Entry[]> {
  const commands = Object.entries(COMMANDS);
  return [
    ...(await installed(project, HOME)),
    ...commands.map(([name, service]) => text(`usr/local/bin/${name}`, command(service), 0o755)),
    ...userVolume(project, busybox),
  ];
}

/** What runs, in the folder `home`, which nothing of it can be moved out of; with the licences of all that is in it. */
export async function installed(project: string, home: string): Promise<Entry[]> {
  const mains = Object.values(COMMANDS).map((service) => `services/${service}/src/main.ts`);
  const { entries, packages } = await bundle(project, mains, home);
  const kept = [
    "LICENSE",
    ...globSync("{libs,services}/*/src/**/*.sh", { cwd: project }),
    ...packages.flatMap((path) => globSync(join(path, KEPT_OF_PACKAGE), { cwd: project })),
  ];
  return [...entries, ...kept.map((path) => copy(join(relative("/", home), path), join(project, path)))];
}

const command = (service: string) =>
  `#!/bin/busybox sh\nexec /usr/local/bin/node ${HOME}/services/${service}/src/main.mjs "$@"\n`;

const USER_FILES = "opt/sheaf/user";

/** What the worker puts into the containers of users: they may have no shell and no program of ours. */
function userVolume(project: string, busybox: string): Entry[] {
  const launcher = join(project, "services/worker/src/launcher");
  const scripts = readdirSync(launcher).filter((name) => name.endsWith(".sh"));
  return [
    copy(`${USER_FILES}/busybox`, busybox, 0o755),
    ...scripts.map((name) => copy(join(USER_FILES, name), join(launcher, name), 0o755)),
  ];
}
