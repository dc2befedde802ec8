// A browser for the test that calls the public port as a web page does. One that the machine has is taken. Where everything must be tested
// (CI), and this process may, it is installed by apt: 124 MB and some ten seconds, once for a machine. Prints `{ file }` or `{ cannot }`.
import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { run, whyItFailed } from "../child.js";
import { sayTrouble, timed } from "../say.js";

const NAMES = ["chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"];
const MINUTES = 10;

function installed() {
  const named = process.env.SHEAF_CHROMIUM;
  if (named) return named;
  const folders = (process.env.PATH ?? "").split(delimiter).filter(isAbsolute);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
}

async function find() {
  const already = installed();
  if (already) return { file: already };
  if (!process.env.CI) return { cannot: "there is no chromium on the PATH" };
  if (process.getuid?.() !== 0) return { cannot: "there is no chromium on the PATH, and only root may install one" };
  await timed(
    "installing chromium with apt, for a test of the public port",
    () => "chromium is installed",
    async () => {
      const install = ["install", "-y", "--no-install-recommends", "chromium"];
      for (const args of [["update"], install]) {
        const ended = await run("apt-get", ["-qq", ...args], { timeoutMs: MINUTES * 60_000 });
        if (ended.code !== 0) throw new Error(whyItFailed("apt-get", ended));
      }
    },
  );
  return { file: installed() };
}

try {
  console.log(JSON.stringify(await find()));
} catch (error) {
  sayTrouble(error);
  process.exitCode = 1;
}
