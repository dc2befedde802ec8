// Ways to start a launcher, the best first. Which of them works is tried once per worker: it depends on the kernel, on the
// user, and on what the machine has.

/** A way to start a launcher. */
export interface Isolation {
  /** For the log. */
  readonly name: string;
  readonly argv: readonly string[];
}

// A launcher must not outlive its worker, not even one that is killed with SIGKILL: setpriv lets the kernel see to it.
// Without it the end of the FIFOs does the same, a little later. A process group of its own: `kill 0` in a command must not reach
// the program that holds the namespace.
const DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"];
const NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "setsid"];
const OWN_USER_NAMESPACE = ["unshare", "--user", "--map-current-user", ...NAMESPACE.slice(1)];

/**
 * The shell opens the FIFO itself: a descriptor from us would have a writer in it, and would never end. It opens it for both
 * directions first: to open it for reading alone would wait for a worker that is gone.
 */
const SHELL = ["sh", "-c", 'exec sh 3<>"$1" <"$1" 3>&-', "sheaf-launcher"];

export function isolations(requests: string, isRoot: boolean): readonly Isolation[] {
  const unshare = isRoot ? NAMESPACE : OWN_USER_NAMESPACE;
  const shell = [...SHELL, requests];
  return [
    { name: "PID namespace", argv: [...DIES_WITH_PARENT, ...unshare, ...shell] },
    { name: "PID namespace, without setpriv", argv: [...unshare, ...shell] },
    { name: "process group", argv: [...DIES_WITH_PARENT, ...shell] },
    { name: "process group, without setpriv", argv: shell },
  ];
}
