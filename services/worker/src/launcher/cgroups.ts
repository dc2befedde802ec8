/**
 * What a slot's commands may use together, enforced by the kernel's cgroups (version 1 or 2), where the worker may make them.
 *
 * The launcher of a slot begins in its cgroup, so that every process of it, and of its commands, is in there without a word; limits
 * are written when a command with others than the last one begins. The CPU's cgroup of version 1 is joined only when a limit asks
 * for it: in a group of its own all that a command starts has together the share of one process outside.
 *
 * Always: a number of processes, so that a fork bomb ends in itself.
 */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** Of all commands that run in a slot, which is one at a time. Absent: no limit. */
export interface Limits {
  readonly memoryBytes?: number | undefined;
  /** Cores. */
  readonly cpu?: number | undefined;
  /** Processes and threads. Absent: `PIDS_DEFAULT`. */
  readonly pids?: number | undefined;
}

export const PIDS_DEFAULT = 4_096;
/** Those of the launcher itself. */
const OWN_PIDS = 2;
const CPU_PERIOD_US = 100_000;

const CONTROLLERS = ["memory", "cpu", "pids"] as const;
type Controller = (typeof CONTROLLERS)[number];

export interface CgroupPlace {
  readonly version: 1 | 2;
  /** Where a folder for a slot may be made, for each controller that there is. */
  readonly parents: ReadonlyMap<Controller, string>;
}

/** What cannot be limited here. */
export function missingControllers(place: CgroupPlace | undefined): readonly string[] {
  return CONTROLLERS.filter((controller) => place?.parents.has(controller) !== true);
}

/** Looks where this process may make cgroups. `mount` and `self`: "/sys/fs/cgroup" and "/proc/self/cgroup". */
export function findCgroups(mount = "/sys/fs/cgroup", self = "/proc/self/cgroup"): CgroupPlace | undefined {
  const lines = existsSync(self) ? readFileSync(self, "utf8").trim().split("\n") : [];
  const own = new Map(lines.map((line) => [line.split(":")[1] ?? "", line.split(":").slice(2).join(":")]));
  const isV2 = existsSync(join(mount, "cgroup.controllers"));
  const parents = new Map<Controller, string>();
  for (const controller of CONTROLLERS) {
    const parent = isV2
      ? parentV2(mount, own.get("") ?? "/", controller)
      : parentV1(mount, own.get(controller), controller);
    if (parent !== undefined && canMakeIn(parent)) parents.set(controller, parent);
  }
  return parents.size === 0 ? undefined : { version: isV2 ? 2 : 1, parents };
}

function parentV1(mount: string, own: string | undefined, controller: Controller): string | undefined {
  // In a container the path may be one that is not to be seen here: then the top is our own.
  return [join(mount, controller, own ?? "/"), join(mount, controller)].find(existsSync);
}

/** A group that hands on a controller holds no processes itself: it is our parent, or one above. */
function parentV2(mount: string, own: string, controller: Controller): string | undefined {
  for (let path = own; ; path = dirname(path)) {
    const file = join(mount, path, "cgroup.subtree_control");
    if (existsSync(file) && readFileSync(file, "utf8").trim().split(" ").includes(controller)) return join(mount, path);
    if (path === "/" || path === ".") return undefined;
  }
}

function canMakeIn(parent: string): boolean {
  const probe = join(parent, `${PREFIX}probe-${process.pid}`);
  try {
    mkdirSync(probe);
    execFileSync("sh", ["-c", 'echo 0 >"$1/cgroup.procs"', "sh", probe], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  } finally {
    tryRemove(probe);
  }
}

/** False: something lives in it. */
function tryRemove(folder: string): boolean {
  try {
    if (existsSync(folder)) rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

const PREFIX = "sheaf-";
/** Younger ones may belong to a worker that is about to begin. */
const LEFTOVER_MS = 3_600_000;

/** Removes what workers that were killed left. Those in which something lives stay: the kernel does not remove them. */
export function removeLeftovers(place: CgroupPlace, nowMs: number): void {
  for (const parent of new Set(place.parents.values())) {
    for (const name of readdirSync(parent)) {
      const folder = join(parent, name);
      const age = nowMs - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? nowMs);
      if (name.startsWith(PREFIX) && age > LEFTOVER_MS) tryRemove(folder);
    }
  }
}

export class SlotCgroup {
  readonly #version: 1 | 2;
  readonly #folders = new Map<Controller, string>();
  #applied = "";
  #oomKills = 0;

  /** `name`: of the slot, alone on this machine. */
  constructor(place: CgroupPlace, name: string) {
    this.#version = place.version;
    for (const [controller, parent] of place.parents) {
      const folder = join(parent, `${PREFIX}${name}`);
      this.#folders.set(controller, folder);
      mkdirSync(folder, { recursive: true });
    }
    this.#oomKills = this.#countOomKills();
  }

  /** A command that runs `argv` in it. */
  enter(argv: readonly string[]): string[] {
    const folders = new Set(
      [...this.#folders]
        .filter(([controller]) => this.#version === 2 || controller !== "cpu")
        .map(([, folder]) => folder),
    );
    const script = 'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@"';
    return ["sh", "-c", script, "sheaf-cgroup", ...folders, "--", ...argv];
  }

  /** Sets the limits, while no command runs. Throws when the kernel refuses. */
  apply(limits: Limits): void {
    const wanted = JSON.stringify([limits.memoryBytes, limits.cpu, limits.pids]);
    if (wanted === this.#applied) return;
    this.#limitMemory(limits.memoryBytes);
    this.#limitCpu(limits.cpu);
    const pids = this.pidsLimit(limits);
    if (pids !== undefined) writeFileSync(pids.file, String(pids.max));
    this.#applied = wanted;
  }

  /**
   * The file of the number of processes, and what it holds under these limits: a launcher that ends what a fork bomb left must
   * be able to fork.
   */
  pidsLimit({ pids = PIDS_DEFAULT }: Limits): { readonly file: string; readonly max: number } | undefined {
    const folder = this.#folders.get("pids");
    return folder === undefined ? undefined : { file: join(folder, "pids.max"), max: pids + OWN_PIDS };
  }

  /** Whether the kernel has killed something here for want of memory since this was asked last. */
  oomKilled(): boolean {
    const before = this.#oomKills;
    this.#oomKills = this.#countOomKills();
    return this.#oomKills > before;
  }

  /** Removes it, when all that was in it is dead. False: not yet. */
  remove(): boolean {
    for (const [controller, folder] of this.#folders) {
      if (tryRemove(folder)) this.#folders.delete(controller);
    }
    return this.#folders.size === 0;
  }

  #limitMemory(bytes: number | undefined): void {
    if (this.#version === 2) {
      this.#write("memory", "memory.max", bytes === undefined ? "max" : String(bytes));
      // Without this a limit would only begin to swap.
      this.#write("memory", "memory.swap.max", bytes === undefined ? "max" : "0");
      return;
    }
    // Memory with swap is never to be less than memory, not even between the two writes.
    this.#write("memory", "memory.memsw.limit_in_bytes", "-1");
    this.#write("memory", "memory.limit_in_bytes", String(bytes ?? -1));
    if (bytes !== undefined) this.#write("memory", "memory.memsw.limit_in_bytes", String(bytes));
  }

  #limitCpu(cores: number | undefined): void {
    const quota = cores === undefined ? undefined : Math.max(1_000, Math.round(cores * CPU_PERIOD_US));
    if (this.#version === 2) return this.#write("cpu", "cpu.max", `${quota ?? "max"} ${CPU_PERIOD_US}`);
    this.#write("cpu", "cpu.cfs_period_us", String(CPU_PERIOD_US));
    this.#write("cpu", "cpu.cfs_quota_us", String(quota ?? -1));
    const from = this.#folders.get("pids") ?? this.#folders.get("memory");
    const to = this.#folders.get("cpu");
    if (quota === undefined || from === undefined || to === undefined) return;
    for (const pid of readFileSync(join(from, "cgroup.procs"), "utf8").split("\n"))
      if (pid !== "") appendFileSync(join(to, "cgroup.procs"), pid);
  }

  #write(controller: Controller, file: string, value: string): void {
    const folder = this.#folders.get(controller);
    if (folder !== undefined && existsSync(join(folder, file))) writeFileSync(join(folder, file), value);
  }

  #countOomKills(): number {
    const folder = this.#folders.get("memory");
    const file = folder && join(folder, this.#version === 2 ? "memory.events" : "memory.oom_control");
    if (file === undefined || !existsSync(file)) return 0;
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync(file, "utf8"))?.[1] ?? 0);
  }
}
