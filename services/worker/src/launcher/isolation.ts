// Ways to start a launcher, the best first. Which of them works is tried once per worker: it depends on the kernel, on the
// user, and on what the machine has.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PFS_FOLDER } from "./pfs-link.ts";

/** A way to start a launcher. */
export interface Isolation {
  /** For the log. */
  readonly name: string;
  readonly argv: readonly string[];
  /** Whether the command sees its datum at /pfs. */
  readonly hasPfs: boolean;
}

// A launcher must not outlive its worker, not even one that is killed with SIGKILL: setpriv lets the kernel see to it.
// Without it the end of the FIFOs does the same, a little later. A process group of its own: `kill 0` in a command must not reach
// the program that holds the namespace. Mounts come and go in it as in the machine: it must not keep a disk busy.
const DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"];
const NAMESPACE = ["unshare", "--pid", "--fork", "--propagation", "slave", "--mount-proc", "--kill-child", "setsid"];
const OWN_USER_NAMESPACE = ["unshare", "--user", "--map-current-user", ...NAMESPACE.slice(1)];

/**
 * The shell opens the FIFO itself: a descriptor from us would have a writer in it, and would never end. It opens it for both
 * directions first: to open it for reading alone would wait for a worker that is gone.
 */
const SHELL = ["sh", "-c", 'exec sh 3<>"$1" <"$1" 3>&-', "sheaf-launcher"];

const WITH_PFS = "PID namespace with /pfs";

/** Whether it is the way of that name in which a command sees its datum at /pfs, and another user reaches it. */
export function hasPfs(name: string): boolean {
  return name.endsWith("with /pfs");
}

const ROOTED = readFileSync(join(import.meta.dirname, "rooted.sh"), "utf8");

/** `given`: what is bound in a root folder of its own, for commands of other users. */
export function isolations(box: string, given: string, isRoot: boolean): readonly Isolation[] {
  const unshare = isRoot ? NAMESPACE : OWN_USER_NAMESPACE;
  const shell = [...SHELL, join(box, "requests")];
  const rooted = [
    ...NAMESPACE,
    "sh",
    "-c",
    ROOTED,
    "sheaf-launcher",
    box,
    mountWord(given),
    mountWord(join(box, PFS_FOLDER)),
  ];
  const ways: Isolation[] = [
    { name: "PID namespace", argv: [...DIES_WITH_PARENT, ...unshare, ...shell], hasPfs: false },
    { name: "PID namespace, without setpriv", argv: [...unshare, ...shell], hasPfs: false },
    { name: "process group", argv: [...DIES_WITH_PARENT, ...shell], hasPfs: false },
    { name: "process group, without setpriv", argv: shell, hasPfs: false },
  ];
  // To mount takes rights that a user's own namespace has, but gives up for the command.
  if (isRoot) ways.unshift({ name: WITH_PFS, argv: [...DIES_WITH_PARENT, ...rooted], hasPfs: true });
  return ways;
}

/** A path as a table of mounts has it: octal where a space would end it. */
function mountWord(path: string): string {
  return path.replaceAll(/[\s\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
