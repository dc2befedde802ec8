// Makes the machine ready and starts a program: the right Node, the npm packages, etcd. Plain JavaScript for Node >= 18.
import { delimiter, join } from "node:path";
import { become } from "./become.js";
import { stopChildren } from "./child.js";
import { dependencies } from "./dependencies.js";
import { etcd } from "./etcd/find.js";
import { releaseLocks } from "./lock.js";
import { rightNode } from "./node.js";
import { withNodeFirst } from "./npm.js";
import { programs } from "./programs.js";
import { project } from "./project.js";
import { say, sayTrouble } from "./say.js";

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** Starts the program called `name` with `args`. Ends the process with exit code 1 when the machine cannot be made ready. */
export async function start(name, args, { cwd = process.cwd() } = {}) {
  const program = programs[name];
  if (program === undefined) {
    say(`there is no program "${name}"; there are ${Object.keys(programs).join(", ")}`);
    process.exit(2);
  }
  try {
    const { node, etcdFile } = await ready(program, args);
    if (program.file === undefined) return say(`ready: Node at ${node}, etcd at ${etcdFile}`);
    const env = program.atUser ? { ...process.env } : toolEnv(node);
    if (etcdFile) env.SHEAF_ETCD_BIN = etcdFile;
    await become(node, [program.file, ...(program.args ?? []), ...args], {
      cwd: program.atUser ? cwd : project,
      env,
    });
  } catch (error) {
    stopChildren();
    releaseLocks();
    sayTrouble(error);
    process.exit(1);
  }
}

/** All that a program needs. Fetching etcd and the npm packages at the same time; when one fails the other is not waited for. */
async function ready(program, args) {
  const letGo = whileSettingUp();
  const node = await rightNode();
  const wantsEtcd = program.etcd?.(args, process.env) ?? false;
  const [etcdFile] = await Promise.all([
    wantsEtcd ? etcd({ quiet: program.atUser }) : undefined,
    program.dependencies === false ? undefined : dependencies(node),
  ]);
  letGo();
  return { node, etcdFile };
}

/** A signal during the set-up ends what it started and leaves no lock or draft. Returns how to stop listening. */
function whileSettingUp() {
  const handlers = Object.entries(SIGNALS).map(([signal, code]) => {
    const end = () => {
      stopChildren();
      releaseLocks();
      process.exit(code);
    };
    process.on(signal, end);
    return () => process.removeListener(signal, end);
  });
  return () => handlers.forEach((letGo) => letGo());
}

/** For the project's own tools, which call each other by name. */
function toolEnv(node) {
  const env = withNodeFirst(node);
  return {
    ...env,
    PATH: [env.PATH.split(delimiter)[0], join(project, "node_modules", ".bin"), env.PATH].join(delimiter),
  };
}
