/** The files of a bundle in a folder: for their owner only, each replaced as a whole, so that whoever reads them again reads no half. */
import { mkdir, open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { Secret } from "@sheaf/runtime";
import type { Files } from "./bundle.ts";

export async function writeFolder(folder: string, files: Files): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, content] of files) {
    const path = join(folder, name);
    const handle = await open(`${path}.new`, "w", name.endsWith(".key") ? 0o600 : 0o644);
    try {
      await handle.writeFile(content.reveal());
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${path}.new`, path);
  }
}

/** Empty for a folder that is not there. */
export async function readFolder(folder: string): Promise<Files> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const files = new Map<string, Secret<string>>();
  for (const name of names.filter((each) => /\.(crt|key)$/.test(each))) {
    files.set(name, new Secret(await readFile(join(folder, name), "utf8")));
  }
  return files;
}
