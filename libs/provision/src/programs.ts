/** The services of this repository as commands. */
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const PROGRAMS = {
  master: new URL("../../../services/master/src/main.ts", import.meta.url),
  merge: new URL("../../../services/merge/src/main.ts", import.meta.url),
  worker: new URL("../../../services/worker/src/main.ts", import.meta.url),
};

/** `["/usr/bin/node", "/repo/services/master/src/main.ts"]`: flags follow. */
export function serviceArgv(name: keyof typeof PROGRAMS): readonly string[] {
  return [process.execPath, fileURLToPath(PROGRAMS[name])];
}

/** URL of the object store in a data folder. */
export function storeUrl(dataDir: string): string {
  return pathToFileURL(join(dataDir, "store")).href;
}

/** Where Node keeps what it compiled, so that a service starts in half the time. In the user's own cache: it is code. */
export function compileCache(env: Readonly<Record<string, string | undefined>>): string {
  return env.NODE_COMPILE_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "sheaf", "compile");
}
