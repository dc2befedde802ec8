/**
 * One cluster per data folder. The lock names its holder, so that the lock of one that was killed can be taken.
 *
 * Each holder has a file of its own, `lock.<n>`; the highest n is the lock. It is taken by creating n + 1, whole or not at
 * all (a hard link), when the holder of n is gone or has let go. A number is never used again: a slow taker that creates an
 * old one sees, when it looks again, that a higher one is there, and retreats.
 */
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { failedPrecondition, messageOf, permissionDenied, type Random } from "@sheaf/runtime";
import { isAlive, ownRecord, type ProcessRecord } from "./process-record.ts";

export interface DirLock {
  release(): Promise<void>;
}

/** Throws FAILED_PRECONDITION (DATA_DIR_IN_USE) with the holder, PERMISSION_DENIED when the folder cannot be written. */
export async function lockDir(dir: string, random: Random): Promise<DirLock> {
  const draft = join(dir, `draft.${process.pid}.${Buffer.from(random.bytes(4)).toString("hex")}`);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeFile(draft, JSON.stringify(ownRecord()));
  } catch (cause) {
    const message = `cannot write to the data folder ${dir}: ${messageOf(cause)}; choose another with --data`;
    throw permissionDenied("DATA_DIR_NOT_WRITABLE", message, { cause });
  }
  try {
    for (;;) {
      const number = await tryTake(dir, draft);
      if (number !== undefined) return { release: () => letGo(dir, number) };
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Undefined: somebody else was first; look again. */
async function tryTake(dir: string, draft: string): Promise<number | undefined> {
  const last = (await numbers(dir)).at(-1);
  if (last !== undefined) await requireStale(dir, last);
  const mine = (last ?? 0) + 1;
  try {
    await link(draft, file(dir, mine));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return undefined;
    throw error;
  }
  const now = await numbers(dir);
  if (now.at(-1) !== mine) {
    await rm(file(dir, mine), { force: true });
    return undefined;
  }
  for (const old of now) if (old < mine) await rm(file(dir, old), { force: true });
  return mine;
}

async function requireStale(dir: string, number: number): Promise<void> {
  const holder = await holderOf(file(dir, number));
  if (holder === undefined || !isAlive(holder)) return;
  throw failedPrecondition(
    "DATA_DIR_IN_USE",
    `the data folder ${dir} is in use by another sheaf (process ${holder.pid}); stop that one, or choose another with --data`,
    { metadata: { pid: String(holder.pid), dir } },
  );
}

/** The file stays, without a holder, so that its number is not used again. */
async function letGo(dir: string, number: number): Promise<void> {
  const empty = `${file(dir, number)}.free`;
  await writeFile(empty, "{}").catch(() => {});
  await rename(empty, file(dir, number)).catch(() => {}); // the folder may be gone
}

function file(dir: string, number: number): string {
  return join(dir, `lock.${number}`);
}

async function numbers(dir: string): Promise<number[]> {
  const names = (await readdir(dir)).filter((name) => /^lock\.\d+$/.test(name));
  return names.map((name) => Number(name.slice("lock.".length))).sort((a, b) => a - b);
}

async function holderOf(path: string): Promise<ProcessRecord | undefined> {
  try {
    const { pid, start, boot } = JSON.parse(await readFile(path, "utf8")) as Partial<ProcessRecord>;
    const whole = typeof pid === "number" && typeof start === "string" && typeof boot === "string";
    return whole ? { pid, start, boot } : undefined;
  } catch {
    return undefined;
  }
}
