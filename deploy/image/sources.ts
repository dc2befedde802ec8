/** The layer that changes most: the sources of libraries and services, the commands that start them, and the user's volume. */
import { globSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { copy, type Entry, link, text, tree } from "./entry.ts";

const HOME = "opt/sheaf";
/** What only tests and measurements need, and what npm's script starts outside of an image. */
const LEFT_OUT = /\.(test|bench|fixture|test-kit)\.ts$|\.md$|^(testing|node_modules|sheaf\.js)$/;
const COMMANDS = { sheaf: "cli", "sheaf-master": "master", "sheaf-merge": "merge", "sheaf-worker": "worker" };

export function sources(project: string, busybox: string): Entry[] {
  return [
    copy(join(HOME, "package.json"), join(project, "package.json")),
    ...["libs", "services"].flatMap((part) =>
      tree(join(HOME, part), join(project, part), (name) => !LEFT_OUT.test(name)),
    ),
    ...workspaces(project).map(({ name, path }) => link(join(HOME, "node_modules", name), join("../..", path))),
    ...Object.entries(COMMANDS).map(([name, service]) => text(`usr/local/bin/${name}`, command(service), 0o755)),
    ...userVolume(project, busybox),
  ];
}

function workspaces(project: string): { name: string; path: string }[] {
  return globSync("{libs,services}/*/package.json", { cwd: project }).map((file) => {
    const { name } = JSON.parse(readFileSync(join(project, file), "utf8")) as { name: string };
    return { name, path: file.slice(0, -"/package.json".length) };
  });
}

const command = (service: string) =>
  `#!/bin/busybox sh\nexec /usr/local/bin/node /${HOME}/services/${service}/src/main.ts "$@"\n`;

/** What the worker puts into the containers of users: they may have no shell and no program of ours. */
function userVolume(project: string, busybox: string): Entry[] {
  const launcher = join(project, "services/worker/src/launcher");
  const programs = readdirSync(launcher).filter((name) => name.endsWith(".sh"));
  return [
    copy(`${HOME}/user/busybox`, busybox, 0o755),
    ...programs.map((name) => copy(`${HOME}/user/${basename(name)}`, join(launcher, name), 0o755)),
  ];
}
