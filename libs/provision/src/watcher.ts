/**
 * No process of a local cluster outlives the program that started it, even when that is killed with SIGKILL and cannot do
 * anything: a shell waits at the other end of a pipe that only the program holds open. When the pipe ends without the word
 * that all is well, it kills what recorded itself in the data folder.
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { recording } from "./process-record.ts";

/**
 * $1: the data folder, $2: whether it is removed too. Three rounds: a master may be starting a worker. A process id that
 * another process has by now is left alone: its start differs (process-record.ts).
 */
const WATCH = `
read -r word && exit 0
for round in 1 2 3; do
  for record in "$1"/processes/*.stat "$1"/workers/*.stat; do
    { read -r stat && read -r boot; } 2>/dev/null <"$record" || continue
    pid=\${stat%% *}
    [ "$pid" = $$ ] && continue
    if [ "$boot" = - ]; then kill -KILL "$pid" 2>/dev/null; continue; fi
    read -r now 2>/dev/null <"/proc/$pid/stat" || continue
    [ "$(field22 "$stat")" = "$(field22 "$now")" ] || continue
    kill -KILL "-$pid" 2>/dev/null
    kill -KILL "$pid" 2>/dev/null
  done
  sleep 0.2
done
[ "$2" = remove ] && rm -rf -- "$1"`;

/** The name of the program, in parentheses, may hold anything: fields count from the last one. */
const FIELD22 = `field22() { set -- \${1##*) }; shift 19; printf %s "$1"; }`;

export interface Watcher {
  /** All is stopped: it goes without doing anything. Resolves when it is gone. */
  dismiss(): Promise<void>;
}

export function startWatcher(dataDir: string, options: { readonly removeDir: boolean }): Watcher {
  const script = `${FIELD22}\n${WATCH}`;
  const argv = ["/bin/sh", "-c", script, "sheaf-watch", dataDir, options.removeDir ? "remove" : "keep"];
  // Recorded too: a cluster that starts on the same folder ends it first, or it would kill what is new.
  mkdirSync(join(dataDir, "processes"), { recursive: true });
  const [command, args] = recording(join(dataDir, "processes", "watcher.stat"), argv);
  // A session of its own: it must outlive whatever ends us and our terminal.
  const child = spawn(command, args, { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve()); // no shell: then nobody watches
  });
  child.stdin?.on("error", () => {});
  return {
    dismiss: async () => {
      child.stdin?.end("done\n");
      await gone;
    },
  };
}
