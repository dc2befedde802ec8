/** The words before a command that is to run as somebody else. Pure. */
import type { User } from "./user.ts";

/**
 * No other groups, no rights of root, and none to be had by a setuid program. Not su or runuser: they start a shell and read the
 * machine's configuration; nor chroot, which keeps capabilities in reserve.
 */
export function becomeWords({ uid, gid }: Pick<User, "uid" | "gid">): readonly string[] {
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--inh-caps=-all", "--no-new-privs", "--"];
}
