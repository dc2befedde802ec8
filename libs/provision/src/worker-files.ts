/** What the local driver keeps of its workers in the data folder. */
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Logger, messageOf } from "@sheaf/runtime";

/** Logs of workers that ended, at most: the oldest go when a driver starts. */
const OLD_LOGS_MAX = 200;

export interface KnownWorker {
  readonly pool: string;
  readonly createdAt: number;
}

/** `workers/<id>.json` and `.stat`, `logs/worker-<id>.log`, `work/<id>/`. */
export class WorkerFiles {
  readonly #dataDir: string;
  readonly #log: Logger;

  constructor(dataDir: string, log: Logger) {
    this.#dataDir = dataDir;
    this.#log = log;
  }

  /** Makes the folders, and clears away what a driver left that died while it forgot a worker; returns the ids that are written down. */
  async open(): Promise<string[]> {
    for (const dir of ["workers", "logs", "work"]) {
      await mkdir(join(this.#dataDir, dir), { recursive: true });
    }
    await this.#pruneLogs();
    const names = await readdir(join(this.#dataDir, "workers"));
    const ids = names.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -".json".length));
    for (const id of await readdir(join(this.#dataDir, "work"))) if (!ids.includes(id)) await this.forget(id);
    return ids;
  }

  /** Before the worker starts. */
  async write(id: string, known: KnownWorker): Promise<void> {
    await mkdir(this.workDir(id), { recursive: true });
    await writeFile(this.#json(id), JSON.stringify(known));
  }

  /** Undefined when the file is missing or is not whole. */
  async read(id: string): Promise<KnownWorker | undefined> {
    try {
      const { pool, createdAt } = JSON.parse(await readFile(this.#json(id), "utf8")) as Partial<KnownWorker>;
      const whole = typeof pool === "string" && typeof createdAt === "number";
      return whole ? { pool, createdAt } : undefined;
    } catch {
      return undefined;
    }
  }

  /** All but the log: it says why the worker ended. */
  async forget(id: string): Promise<void> {
    for (const path of [this.stat(id), this.#json(id), this.workDir(id)]) {
      await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
        this.#log.warn({ worker: id, path }, `worker: its files stay: ${messageOf(error)}`);
      });
    }
  }

  /** Who the process is: written by itself. */
  stat(id: string): string {
    return join(this.#dataDir, "workers", `${id}.stat`);
  }

  workDir(id: string): string {
    return join(this.#dataDir, "work", id);
  }

  logFile(id: string): string {
    return join(this.#dataDir, "logs", `worker-${id}.log`);
  }

  #json(id: string): string {
    return join(this.#dataDir, "workers", `${id}.json`);
  }

  async #pruneLogs(): Promise<void> {
    const dir = join(this.#dataDir, "logs");
    const names = (await readdir(dir)).filter((name) => name.startsWith("worker-"));
    if (names.length <= OLD_LOGS_MAX) return;
    const aged = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(dir, name))).mtimeMs })));
    aged.sort((a, b) => b.at - a.at);
    for (const { name } of aged.slice(OLD_LOGS_MAX)) await rm(join(dir, name), { force: true });
  }
}
