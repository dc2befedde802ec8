// Copies files between a folder and a store, as one of the sides of the bench of S3: `node s3-copy.ts up|down ADDRESS FOLDER`.
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openStore } from "@sheaf/storage";

const SMALL_BYTES = 16 * 1024 * 1024;
const FILES_AT_A_TIME = 16;

const [way, address = "", folder = ""] = process.argv.slice(2);
const store = await openStore(address);
if (way === "up") await each(await readdir(folder), putFile);
else {
  await mkdir(folder, { recursive: true });
  const names: [string, number][] = [];
  for await (const { key, size } of store.list("")) names.push([key, size]);
  await each(names, getFile);
}
await store.close();

async function putFile(name: string): Promise<void> {
  const file = join(folder, name);
  const isSmall = (await stat(file)).size <= SMALL_BYTES;
  await store.put(name, isSmall ? await readFile(file) : createReadStream(file, { highWaterMark: 1024 * 1024 }));
}

async function getFile([key, size]: [string, number]): Promise<void> {
  const file = join(folder, key);
  if (size <= SMALL_BYTES) await writeFile(file, await store.get(key));
  else {
    await using to = await open(file, "w");
    for await (const piece of store.stream(key)) await to.write(piece);
  }
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const lane = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: FILES_AT_A_TIME }, lane));
}
