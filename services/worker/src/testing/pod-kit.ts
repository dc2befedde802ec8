/**
 * Plays the pod of a worker: a volume, prepared by install.sh, and for each slot a container that runs pid1.sh as process 1 and is
 * started again when it dies, as a kubelet does. A container is a PID and mount namespace with a root folder of its own. It takes root.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { quote } from "../launcher/quote.ts";

const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"].find(existsSync);
const LAUNCHER = join(import.meta.dirname, "..", "launcher");

/** Why no pod can be played here; undefined: it can. */
export function whyNoPod(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  if (BUSYBOX === undefined) return "needs busybox (busybox-static)";
  try {
    execFileSync("unshare", ["--pid", "--fork", "--mount", "--mount-proc", "true"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "needs the right to mount";
  }
}

/** "machine": all that this machine has. Else programs by their path, each of them a busybox, and nothing more: no shell unless named. */
export type Image = "machine" | readonly string[];

export interface PodOptions {
  readonly image: Image;
  readonly slots?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** A folder that containers do not see. */
  readonly hidden?: string;
  /** Containers are not started with the pod. */
  readonly isLate?: boolean;
}

/** Arguments: root, volume, slot. What the image has is in the root already, unless it is the machine's. */
const CONTAINER = `set -e
root=$1 volume=$2 slot=$3
mount -t tmpfs -o size=64m,mode=755 image "$root"
mount --make-unbindable "$root"
shift 3
if [ $# -eq 0 ]; then
  for entry in /*; do
    case $entry in /pfs) continue ;; esac
    if [ -L "$entry" ]; then cp -P "$entry" "$root$entry"
    elif [ -d "$entry" ]; then mkdir "$root$entry" && mount --rbind "$entry" "$root$entry"
    fi
  done
else
  mkdir -p "$root$volume" "$root/proc" "$root/dev"
  mount --rbind "$volume" "$root$volume"
  mount --rbind /proc "$root/proc"
  : >"$root/dev/null"
  mount --bind /dev/null "$root/dev/null"
  for program do mkdir -p "$root\${program%/*}"; cp "$volume/bin/busybox" "$root$program"; done
fi
[ -z "$POD_HIDDEN" ] || [ ! -d "$root$POD_HIDDEN" ] || mount -t tmpfs hidden "$root$POD_HIDDEN"
mkdir "$root/pfs"
mount --bind "$volume/control/pfs/$slot" "$root/pfs"
cd /
chroot=$(command -v chroot)
`;

export class Pod implements AsyncDisposable {
  readonly volume: string;
  readonly #options: PodOptions;
  readonly #running = new Map<number, ChildProcess>();
  /** How often each container was started. */
  readonly starts: number[] = [];
  #isOver = false;

  /** `volume`: a folder that is made here. */
  constructor(volume: string, options: PodOptions) {
    this.volume = volume;
    this.#options = options;
    const user = `${volume}-image`;
    mkdirSync(join(volume, "control"), { recursive: true });
    mkdirSync(user);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "control", join(volume, "control")]);
    copyFileSync(BUSYBOX as string, join(user, "busybox"));
    chmodSync(join(user, "busybox"), 0o755);
    for (const name of ["pid1.sh", "launcher.sh", "install.sh"]) copyFileSync(join(LAUNCHER, name), join(user, name));
    const slots = options.slots ?? 1;
    execFileSync(join(user, "busybox"), ["sh", join(user, "install.sh"), volume, String(slots)], { env: {} });
    if (options.isLate !== true) this.start();
  }

  start(): void {
    for (let slot = 0; slot < (this.#options.slots ?? 1); slot++) this.#start(slot);
  }

  /** As the kernel does that has no memory left. */
  kill(slot: number): void {
    this.#running.get(slot)?.kill("SIGKILL");
  }

  /** The signal of a pod that is deleted; resolves to what the container ended with. It is not started again. */
  async terminate(slot: number): Promise<number | null> {
    this.#isOver = true;
    const child = this.#running.get(slot) as ChildProcess;
    process.kill(this.#firstOf(slot), "SIGTERM");
    const [code] = await once(child, "exit");
    return code;
  }

  /** Whether its process 1 waits at its door. */
  waits(slot: number): boolean {
    try {
      return readlinkSync(`/proc/${this.#firstOf(slot)}/fd/3`).endsWith(`/doors/${slot}`);
    } catch {
      return false; // It has not come that far.
    }
  }

  /** Process 1 of a container, as it is known here. */
  #firstOf(slot: number): number {
    const { pid } = this.#running.get(slot) as ChildProcess;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    const all = [...this.#running.values()];
    await Promise.all(
      all.map(async (child) => {
        child.kill("SIGKILL");
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      }),
    );
    execFileSync("umount", ["-l", join(this.volume, "control")]);
  }

  #start(slot: number): void {
    const { image, env = { PATH: process.env.PATH ?? "" }, hidden = "" } = this.#options;
    const root = join(dirname(this.volume), `root-${slot}`);
    mkdirSync(root, { recursive: true });
    const programs = image === "machine" ? [] : image;
    // A test that is killed leaves no container.
    const unshare = [
      "--pdeathsig",
      "KILL",
      "unshare",
      "--pid",
      "--fork",
      "--kill-child",
      "--mount",
      "--mount-proc",
      "setsid",
    ];
    const variables = Object.entries(env).map(([name, value]) => quote(`${name}=${value}`));
    const last = `exec env -i ${variables.join(" ")} "$chroot" "$root" "$volume/bin/busybox" sh "$volume/bin/pid1.sh" "$slot"`;
    const args = [...unshare, "sh", "-c", CONTAINER + last, "container", root, this.volume, String(slot), ...programs];
    const child = spawn("setpriv", args, {
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, POD_HIDDEN: hidden },
      detached: true,
    });
    this.#running.set(slot, child);
    this.starts[slot] = (this.starts[slot] ?? 0) + 1;
    child.on("exit", () => {
      this.#running.delete(slot);
      // A kubelet waits a little, too.
      setTimeout(() => this.#isOver || this.#start(slot), 50);
    });
  }
}
